//! People of tests, whose phones are proven as everybody's: by a code that the development sink shows.

use std::net::{IpAddr, Ipv4Addr};

use actors::keys::Keys;
use actors::registry::Phone;
use actors::sms::{DevelopmentSms, ProvenPhone, SessionId, Sms, SmsLimits, SmsSender};

use crate::block_on;

/// Proves a made-up phone.
pub fn prove(keys: &Keys, phone: &Phone, now_s: u64) -> ProvenPhone {
    let shown = DevelopmentSms::new(|_| ());
    let sms = Sms::new(keys, SmsLimits::default(), SmsSender::Development(shown.clone()));
    let session = SessionId([7; 16]);
    block_on(sms.request(session, IpAddr::V4(Ipv4Addr::LOCALHOST), phone, now_s)).expect("a made-up number");
    let code = shown.shown()[0].code.clone();
    sms.check(session, phone, &code, now_s).expect("the code that was shown")
}
