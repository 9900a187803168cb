//! One-time codes by SMS: a phone is proven to be in the hand of whoever asks. The rules are a pure core in `codes`, who delivers
//! the message is in `sender`; here they meet. Nothing here looks into the registry, so no answer depends on who is known.

mod codes;
mod counts;
mod http;
mod known;
mod sender;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use counts::SmsMetrics;
use keys::Keys;
use registry::Phone;
use ring::rand::{SecureRandom, SystemRandom};

pub use codes::{
    Asker, CODE_S_MAX, CodeToSend, ProvenPhone, SessionId, SmsCodes, SmsLimits, Standing, TRIES_MAX,
};
pub use http::{HttpSms, HttpSmsConfig, SmsConfigError};
pub use known::KNOWN_S_MAX;
pub use sender::{DevelopmentSms, ShownSms, SmsSender};

/// Why there is no code, or why it is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmsError {
    /// Asked or tried too often.
    #[error("too many codes were asked for or tried; try again in {retry_after_s} s")]
    TooMany {
        /// When it may go on.
        retry_after_s: u32,
    },
    /// Not that code; it can be typed again.
    #[error("that is not the code; {tries_left} tries are left")]
    Wrong {
        /// Tries of this code that are left.
        tries_left: u8,
    },
    /// Not as many digits as a code has; that is no try.
    #[error("a code has six digits")]
    Incomplete,
    /// There is no code of this session that is good: never sent, too old, tried too often, used, or replaced by newer ones.
    #[error("there is no code to compare it with (any more); ask for another")]
    Gone,
    /// A number to which this gateway sends nothing: a made-up one in production, a real one in development.
    #[error("this gateway sends no messages to numbers of that kind")]
    Refused,
    /// More is under way than is kept.
    #[error("too many codes are under way; try again in a minute")]
    Busy,
    /// The message service fails, or the system gives no random bytes.
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
    random: SystemRandom,
}

impl Sms {
    /// Codes under these limits, delivered by that sender.
    pub fn new(keys: &Keys, limits: SmsLimits, sender: SmsSender) -> Self {
        let codes = Arc::new(Mutex::new(SmsCodes::new(keys, limits)));
        let (known, metrics) = (Arc::new(known::Known::new(keys)), Arc::new(SmsMetrics::new()));
        let sender = Arc::new(ArcSwap::from_pointee(sender));
        Self { codes, sender, known, metrics, random: SystemRandom::new() }
    }

    /// Later codes go by these limits and that sender; codes that were sent are good as before.
    pub fn renew(&self, limits: SmsLimits, sender: SmsSender) {
        self.with(|codes| codes.limit_by(limits));
        self.sender.store(Arc::new(sender));
    }

    /// Sends a code to the phone, for this session. The answer says nothing about whether the phone is registered.
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
        let mut random = [0; 8];
        self.random.fill(&mut random).map_err(|_| SmsError::Unavailable)?;
        let random = u64::from_le_bytes(random);
        let code = self.with(|codes| codes.request(asker, phone, random, now_s))?;
        sender.send(&code, now_s).await
    }

    /// Compares what was typed in this session. The right code proves the phone, once.
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

    /// Tells how the codes of this session for the phone stand.
    pub fn standing(&self, asker: Asker, phone: &Phone, now_s: u64) -> Standing {
        self.with(|codes| codes.standing(asker, phone, now_s))
    }

    /// Says whether the browser that keeps this has proven the phone before.
    pub fn is_known(&self, kept: &str, phone: &Phone, now_s: u64) -> bool {
        self.known.holds(kept, phone, now_s)
    }

    /// Says what a browser that keeps this keeps from now on: it has proven the phone. It opens nothing, and names nobody without a key.
    pub fn known(&self, kept: &str, proven: &ProvenPhone, now_s: u64) -> String {
        proven.phone(now_s).map_or_else(|| kept.to_owned(), |phone| self.known.with(kept, phone, now_s))
    }

    /// No await while it is held. A panic of another holder leaves counters that are still counters.
    fn with<T>(&self, work: impl FnOnce(&mut SmsCodes) -> T) -> T {
        work(&mut self.codes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Sms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sms(…)")
    }
}

#[cfg(test)]
mod tests;
