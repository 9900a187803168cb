//! One-time codes by SMS, which prove that a phone is in the caller's hand. The rules are a pure core in `codes`, delivery is in `sender`;
//! here they meet. Nothing here reads the registry, so that no answer tells whether a phone is registered.

mod codes;
mod counts;
mod http;
mod known;
mod sender;

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use codes::CODE_S_MAX;
use counts::SmsMetrics;
use keys::{Keys, random};
use registry::Phone;
use runtime::lock::lock;

pub use codes::{Asker, CodeToSend, ProvenPhone, SessionId, SmsCodes, SmsLimits, Standing, TRIES_MAX};
pub use http::{HttpSms, HttpSmsConfig, SmsConfigError};
pub use known::KNOWN_S_MAX;
pub use sender::{DevelopmentSms, ShownSms, SmsSender};

/// An error of a code that was asked for or typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmsError {
    /// Too many codes asked for, or too many tries.
    #[error("too many codes were asked for or tried; try again in {retry_after_s} s")]
    TooMany {
        /// The seconds until the next is allowed.
        retry_after_s: u32,
    },
    /// A wrong code; it may be typed again.
    #[error("that is not the code; {tries_left} tries are left")]
    Wrong {
        /// The tries that this code has left.
        tries_left: u8,
    },
    /// Fewer or more digits than a code has; it does not count as a try.
    #[error("a code has six digits")]
    Incomplete,
    /// No good code of this session: never sent, too old, tried too often, used, or replaced by newer ones.
    #[error("there is no code to compare it with (any more); ask for another")]
    Gone,
    /// A number to which this gateway sends nothing: a made-up number in production, a real one in development.
    #[error("this gateway sends no messages to numbers of that kind")]
    Refused,
    /// More codes under way than the gateway sends.
    #[error("too many codes are under way; try again in a minute")]
    Busy,
    /// A failure of the message service, or no random bytes from the operating system.
    #[error("the message could not be sent; try again in a minute")]
    Unavailable,
}

/// Codes by SMS; clones share them.
#[derive(Clone)]
pub struct Sms {
    codes: Arc<Mutex<SmsCodes>>,
    /// Written by a reload.
    sender: Arc<ArcSwap<SmsSender>>,
    known: Arc<known::Known>,
    metrics: Arc<SmsMetrics>,
}

impl Sms {
    /// Creates codes under these limits, delivered by this sender.
    pub fn new(keys: &Keys, limits: SmsLimits, sender: SmsSender) -> Self {
        let codes = Arc::new(Mutex::new(SmsCodes::new(keys, limits)));
        let (known, metrics) = (Arc::new(known::Known::new(keys)), Arc::new(SmsMetrics::new()));
        let sender = Arc::new(ArcSwap::from_pointee(sender));
        Self { codes, sender, known, metrics }
    }

    /// Changes limits and sender for later codes; codes that were sent stay as good as they were.
    pub fn renew(&self, limits: SmsLimits, sender: SmsSender) {
        self.with(|codes| codes.limit_by(limits));
        self.sender.store(Arc::new(sender));
    }

    /// Sends a code to the phone, for this session. The result tells nothing about whether the phone is registered.
    pub async fn request(&self, asker: Asker, phone: &Phone, now_s: u64) -> Result<(), SmsError> {
        let result = self.send(asker, phone, now_s).await;
        self.metrics.asked(&result);
        result
    }

    async fn send(&self, asker: Asker, phone: &Phone, now_s: u64) -> Result<(), SmsError> {
        let sender = self.sender.load_full();
        if !sender.may_send_to(phone) {
            return Err(SmsError::Refused);
        }
        let random = random::bytes().map(u64::from_le_bytes).map_err(|_| SmsError::Unavailable)?;
        let code = self.with(|codes| codes.request(asker, phone, random, now_s))?;
        sender.send(&code, now_s).await
    }

    /// Compares a code that was typed in this session. The right one proves the phone, once.
    pub fn check(
        &self,
        asker: Asker,
        phone: &Phone,
        typed: &str,
        now_s: u64,
    ) -> Result<ProvenPhone, SmsError> {
        let result = self.with(|codes| codes.check(asker, phone, typed, now_s));
        self.metrics.typed(&result);
        result
    }

    /// Returns the standing of this session's codes for the phone.
    pub fn standing(&self, asker: Asker, phone: &Phone, now_s: u64) -> Standing {
        self.with(|codes| codes.standing(asker, phone, now_s))
    }

    /// Returns true if the browser that keeps `kept` has proven the phone before.
    pub fn is_known(&self, kept: &str, phone: &Phone, now_s: u64) -> bool {
        self.known.holds(kept, phone, now_s)
    }

    /// Returns the value that a browser keeps instead of `kept` once it has proven the phone. It opens nothing, and names no phone without
    /// the key.
    pub fn known(&self, kept: &str, proven: &ProvenPhone, now_s: u64) -> String {
        proven.phone(now_s).map_or_else(|| kept.to_owned(), |phone| self.known.with(kept, phone, now_s))
    }

    /// Locks the codes for `work`. A panic of another holder leaves counters that are still valid.
    fn with<T>(&self, work: impl FnOnce(&mut SmsCodes) -> T) -> T {
        work(&mut lock(&self.codes))
    }
}

impl std::fmt::Debug for Sms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sms(…)")
    }
}

#[cfg(test)]
mod tests;
