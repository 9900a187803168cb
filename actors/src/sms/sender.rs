//! Who delivers a code: a message service over HTTP, or, in development, the terminal and a page. Neither does the other's work:
//! production sends nothing to made-up numbers, development nothing to numbers that somebody may have.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::{CodeToSend, HttpSms, SmsError};
use crate::registry::Phone;

/// Messages that the development page shows.
const SHOWN_MAX: usize = 50;

/// A message in development, as the terminal and the page show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownSms {
    /// The number, masked.
    pub phone: String,
    /// The six digits.
    pub code: String,
    /// When it was sent, seconds since 1970 UTC.
    pub at_s: u64,
}

/// A code in a log would be worth a phone.
impl std::fmt::Debug for ShownSms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShownSms(…)")
    }
}

/// Shows messages instead of sending them; clones share them.
#[derive(Clone)]
pub struct DevelopmentSms {
    shown: Arc<Mutex<VecDeque<ShownSms>>>,
    show: Arc<dyn Fn(&ShownSms) + Send + Sync>,
}

impl DevelopmentSms {
    /// `show` is called for each message; it must not log it.
    pub fn new(show: impl Fn(&ShownSms) + Send + Sync + 'static) -> Self {
        Self { shown: Arc::default(), show: Arc::new(show) }
    }

    /// The last messages, the newest first.
    pub fn shown(&self) -> Vec<ShownSms> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    fn send(&self, code: &CodeToSend, now_s: u64) {
        let message = ShownSms { phone: code.phone().masked(), code: code.digits().to_owned(), at_s: now_s };
        (self.show)(&message);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.len() == SHOWN_MAX {
            shown.pop_front();
        }
        shown.push_back(message);
    }
}

/// The ways by which a message leaves.
pub enum SmsSender {
    /// A message service.
    Http(Box<HttpSms>),
    /// Shown, not sent.
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
