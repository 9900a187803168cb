//! The way back to the device's home: away from it, the device looks whether it answers, and changes over when it does. Nothing is
//! interrupted for a home that is still away.

use std::pin::Pin;
use std::time::Duration;

use super::dial::DIAL_MOVE;
use super::route::Target;
use super::{Device, Link};
use crate::clock;
use crate::wire::Wire;

/// A look at the home, which resolves with true if it has answered.
pub(super) type Look = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Waits for the result of a look; for ever if the device does not look.
pub(super) async fn look(look: &mut Option<Look>) -> bool {
    match look {
        Some(look) => look.await,
        None => std::future::pending().await,
    }
}

/// Returns true if a gateway takes a connection, which is closed at once.
pub(super) async fn answers(endpoint: quinn::Endpoint, config: quinn::ClientConfig, target: Target) -> bool {
    let connected = async {
        let address = target.resolve(endpoint.local_addr().ok()).await.ok()?;
        Wire::connect(&endpoint, config, address, target.server_name()).await.ok()
    };
    match tokio::time::timeout(DIAL_MOVE, connected).await {
        Ok(Some(wire)) => {
            wire.connection().close(0u32.into(), b"looked");
            true
        }
        Ok(None) | Err(_) => false,
    }
}

impl Device {
    /// Comes home after this time, and up to as much again at random, once another gateway serves it. By default 30 s.
    pub fn come_home_after(&mut self, after: Duration) {
        self.route.come_home_after(after);
    }

    /// Returns true if it is connected to the first gateway in its order, or knows one only.
    pub fn is_home(&self) -> bool {
        self.is_up() && self.route.home().is_none()
    }

    /// Begins to look for the home if it is time.
    pub(super) fn look_for_home(&mut self) {
        let is_due = self.route.home_at().is_some_and(|at| at <= clock::now());
        if let Some(home) = self.route.home().filter(|_| is_due && self.look.is_none()) {
            self.look = Some(Box::pin(answers(self.endpoint.clone(), self.config.clone(), home)));
        }
    }

    /// Takes the result of a look: the device sends nothing new, and leaves when it has its answers.
    pub(super) fn looked(&mut self, answers: bool) {
        self.look = None;
        match &mut self.link {
            Link::Up(up) if answers => {
                up.goes_home = true;
                self.state.drain();
            }
            Link::Up(_) | Link::Down { .. } | Link::Dialling(_) => self.route.look_later(clock::now()),
        }
    }
}
