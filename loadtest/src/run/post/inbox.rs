//! The way of visits and answers to a post.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Instant;

use device::DeviceError;
use protocol::message::Answer;
use tokio::sync::Notify;

use super::super::crowd::Try;
use crate::scenario::plan::Visit;

/// The sender of visits to a post.
#[derive(Default)]
pub(in crate::run) struct Inbox {
    arrivals: RefCell<VecDeque<Arrival>>,
    closed: Cell<bool>,
    disconnect: Cell<bool>,
    bell: Notify,
}

/// A message to a post.
pub(super) enum Arrival {
    Visit(Visit, Instant),
    Queried(Try, Instant, Result<Answer, DeviceError>),
}

impl Inbox {
    /// Sends a visit that was due at `intended`.
    pub(in crate::run) fn visit(&self, visit: Visit, intended: Instant) {
        self.push(Arrival::Visit(visit, intended));
    }

    /// Closes the post: there are no more visits.
    pub(in crate::run) fn close(&self) {
        self.closed.set(true);
        self.bell.notify_one();
    }

    /// Makes the device lose its connection.
    pub(in crate::run) fn disconnect(&self) {
        self.disconnect.set(true);
        self.bell.notify_one();
    }

    /// Brings the answer of a query that was asked at `asked`.
    pub(super) fn queried(&self, by: Try, asked: Instant, answer: Result<Answer, DeviceError>) {
        self.push(Arrival::Queried(by, asked, answer));
    }

    /// Takes what came first.
    pub(super) fn next(&self) -> Option<Arrival> {
        self.arrivals.borrow_mut().pop_front()
    }

    /// Returns true once after the device was made to lose its connection.
    pub(super) fn takes_connection(&self) -> bool {
        self.disconnect.replace(false)
    }

    /// Returns true if there are no more visits.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Waits until something comes.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    fn push(&self, arrival: Arrival) {
        self.arrivals.borrow_mut().push_back(arrival);
        self.bell.notify_one();
    }
}
