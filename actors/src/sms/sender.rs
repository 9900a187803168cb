//! Delivery of a code: by a message service over HTTP or, in development, by the terminal and a page. Production sends nothing to made-up
//! numbers, development nothing to numbers that a person may have.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use registry::Phone;
use runtime::lock::lock;

use super::{CodeToSend, HttpSms, SmsError};

/// Messages that the development page shows.
const SHOWN_MAX: usize = 50;
/// Messages that are kept for look-ups by number: those of the last seconds of a load test, about 500 kB when full.
const KEPT_MAX: usize = 4_096;

const _: () = assert!(SHOWN_MAX <= KEPT_MAX);

/// A message in development, as the terminal and the page show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownSms {
    /// The number, masked.
    pub phone: String,
    /// The six digits.
    pub code: String,
    /// The time when it was sent, seconds since 1970 UTC.
    pub at_s: u64,
}

/// Hidden: with a code from a log its reader could prove the phone.
impl std::fmt::Debug for ShownSms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShownSms(…)")
    }
}

/// A sender that shows messages instead of sending them; clones share the messages.
#[derive(Clone)]
pub struct DevelopmentSms {
    /// The messages, the oldest first.
    kept: Arc<Mutex<VecDeque<(Phone, ShownSms)>>>,
    show: Arc<dyn Fn(&ShownSms) + Send + Sync>,
}

impl DevelopmentSms {
    /// Calls `show` for each message; it must not log the message.
    pub fn new(show: impl Fn(&ShownSms) + Send + Sync + 'static) -> Self {
        Self { kept: Arc::default(), show: Arc::new(show) }
    }

    /// Returns the last messages, the newest first.
    pub fn shown(&self) -> Vec<ShownSms> {
        self.lock().iter().rev().take(SHOWN_MAX).map(|(_, message)| message.clone()).collect()
    }

    /// Returns the last message to that number, if it is still kept. The masked numbers of [`Self::shown`] do not tell many numbers apart.
    pub fn last_to(&self, phone: &Phone) -> Option<ShownSms> {
        let kept = self.lock();
        kept.iter().rev().find(|(to, _)| to == phone).map(|(_, message)| message.clone())
    }

    fn send(&self, code: &CodeToSend, now_s: u64) {
        let message = ShownSms { phone: code.phone().masked(), code: code.digits().to_owned(), at_s: now_s };
        (self.show)(&message);
        let mut kept = self.lock();
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((code.phone().clone(), message));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Phone, ShownSms)>> {
        lock(&self.kept)
    }
}

/// The sender of messages.
pub enum SmsSender {
    /// A message service.
    Http(Box<HttpSms>),
    /// The terminal and the page of a development city.
    Development(DevelopmentSms),
}

impl SmsSender {
    pub(super) fn may_send_to(&self, phone: &Phone) -> bool {
        match self {
            Self::Http(_) => !phone.is_made_up(),
            Self::Development(_) => phone.is_made_up(),
        }
    }

    pub(super) async fn send(&self, code: &CodeToSend, now_s: u64) -> Result<(), SmsError> {
        match self {
            Self::Http(service) => service.send(code, now_s).await,
            Self::Development(terminal) => {
                terminal.send(code, now_s);
                Ok(())
            }
        }
    }
}
