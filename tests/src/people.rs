//! Citizens at the counter of a running city: each proves a phone by the code that development shows, consents, applies,
//! and passes a gate.

use std::net::{IpAddr, Ipv4Addr};

use actors::registrar::{AtGate, Receipt, Registrar};
use actors::sms::{Asker, DevelopmentSms, ProvenPhone, SessionId, Sms, SmsLimits, SmsSender};
use device::tokens::{Person, Tokens};
use keys::Keys;
use policy::Policy;
use protocol::{Advice, Class, CodeId, Colour, Verdict};
use registry::colours::Codes;
use registry::{Beneficiary, ConsentTerms, Detail, Flow, Phone, Registry};
use runtime::clock;
use serde_json::Value;
use simulator::{DemoPerson, demo_people};

use crate::walk::{device, endpoint};
use crate::{City, block_on, wait_for};

/// Proves an invented phone, in this process.
pub fn prove(keys: &Keys, phone: &Phone, now_s: u64) -> ProvenPhone {
    let shown = DevelopmentSms::new(|_| ());
    let sms = Sms::new(keys, SmsLimits::default(), SmsSender::Development(shown.clone()));
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let asker = Asker { session: SessionId([7; 16]), client, known: false };
    block_on(sms.request(asker, phone, now_s)).expect("a made-up number");
    let code = shown.shown()[0].code.clone();
    sms.check(asker, phone, &code, now_s).expect("the code that was shown")
}

/// Returns the demonstration person with that case.
pub fn demo(case: &str) -> &'static DemoPerson {
    let known = || demo_people().iter().map(|person| person.case).collect::<Vec<_>>();
    let found = demo_people().iter().find(|person| person.case == case);
    found.unwrap_or_else(|| panic!("no demo person is called {case}; there are {:?}", known()))
}

/// A citizen at the counter, with the phone proven.
pub struct Citizen<'a> {
    city: &'a City,
    session: String,
    /// The phone number.
    pub phone: String,
}

/// The outcome of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The code.
    pub code: u64,
    /// Its colour.
    pub colour: Colour,
    /// True if a carrier or an authority verified it.
    pub verified: bool,
    /// True if it is new.
    pub is_new: bool,
}

impl<'a> Citizen<'a> {
    /// Starts at the counter and proves the phone.
    pub fn new(city: &'a City, phone: &str) -> Self {
        let citizen = Self::begin(city, phone).expect("a made-up number");
        let code = citizen.message();
        citizen.ask(&["prove"], &[&code]).expect("the code that was sent");
        citizen
    }

    /// Starts at the counter and has a code sent; the phone is not proven. The error is the counter's text.
    pub fn begin(city: &'a City, phone: &str) -> Result<Self, String> {
        let begun = counter(city, &["begin", phone])?;
        let session = text(&begun["begun"]["session"]);
        Ok(Self { city, session, phone: phone.to_owned() })
    }

    /// Returns the code that was sent to the phone.
    pub fn message(&self) -> String {
        let masked = Phone::parse(&self.phone).expect("a number").masked();
        wait_for("a message", || {
            let (_, body) = self.city.get("/dev/sms")?;
            let messages: Value = serde_json::from_str(&body).ok()?;
            let mine = messages.as_array()?.iter().find(|message| message["phone"] == masked.as_str())?;
            Some(text(&mine["code"]))
        })
    }

    /// Takes one step at the counter; the error is its text.
    pub fn ask(&self, step: &[&str], rest: &[&str]) -> Result<Value, String> {
        counter(self.city, &[step, &[self.session.as_str()], rest].concat())
    }

    /// Consents to a query; returns the consent's number, the outcome, and the form's field.
    pub fn consent(&self, flow: &str) -> (String, Value, String) {
        let said = self.ask(&["consent"], &["--flow", flow]).expect("a query");
        let said = &said["consented"];
        (
            said["consent"].to_string(),
            said["outcome"].clone(),
            said["field"].as_str().unwrap_or_default().to_owned(),
        )
    }

    /// Sends the form with that document; `rest` has further arguments.
    pub fn apply(&self, document: &str, rest: &[&str]) -> Result<Taken, String> {
        let form = ["--name", "做试验", "--district", "360102", "--document", document];
        let said = self.ask(&["apply"], &[&form[..], rest].concat())?;
        let taken = &said["taken"];
        Ok(Taken {
            code: taken["code"].as_u64().expect("a code"),
            colour: Colour::from_name(taken["colour"].as_str().expect("a colour")).expect("a colour"),
            verified: taken["basis"] == "verified",
            is_new: taken["is_new"].as_bool().expect("yes or no"),
        })
    }
}

fn counter(city: &City, words: &[&str]) -> Result<Value, String> {
    let (status, out, err) = city.command(&[&["counter", "--json"], words].concat());
    if status.success() { Ok(serde_json::from_str(&out).expect("JSON")) } else { Err(err) }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Returns the verdict of a gate for this code's phone.
pub fn at_the_gate(city: &City, code: u64) -> Verdict {
    let fleet = city.fleet();
    let tokens = Tokens::load(&fleet).expect("the city's token key");
    let code = CodeId::from_u64(code).expect("a code");
    let basis = protocol::Basis::Nothing;
    let person = Person { code, colour: Colour::Unknown, basis, class: Class::Person };
    let (_, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        let now_s = u32::try_from(clock::now_s()).expect("before 2106");
        gate.verify(region, vec![tokens.scan(&person, now_s)]).await.expect("a verdict")[0]
    })
}

/// Returns colour and advice of the city's first gate for that code.
pub fn shown(city: &City, code: u64) -> (Colour, Advice) {
    let verdict = at_the_gate(city, code);
    (verdict.colour, verdict.advice)
}

/// Returns the code of a verified person of the city with that colour.
pub fn somebody(city: &City, colour: &str) -> u64 {
    let codes = std::fs::read_to_string(city.data().join("codes.csv")).expect("the city's codes");
    let line = codes.lines().find(|line| line.ends_with(&format!(",{colour},verified,person")));
    line.and_then(|line| line.split(',').next()).expect("somebody").parse().expect("a number")
}

/// Makes the holder of that code appeal against the last decision with these words, in this process, while the gateway does not run.
pub fn appeal(city: &City, code: u64, words: &str) {
    let path = city.data().join("policy.toml");
    let policy = Policy::parse(&std::fs::read_to_string(&path).expect("the policy"), &path).expect("good");
    let keys = Keys::load(&city.data().join("keys")).expect("the city's keys");
    let mut registry = Registry::open(&city.data().join("registry.db"), &keys).expect("a registry");
    let codes = Codes::new(0);
    let mut registrar = Registrar::new(&mut registry, &codes, policy.into());
    let code = CodeId::from_u64(code).expect("a code");
    let why = registrar.why(code).expect("readable").expect("there is");
    let decision = why.decisions.last().expect("red is a decision").id;
    registrar.appeal(code, decision, words, clock::now_s()).expect("taken");
}

/// A consent to show a city's staff so much: whose, when, and how much.
pub type Given<'a> = (&'a str, u64, Detail);

/// Returns receipts of new consents, as a citizen's page would have shown them at those moments; `taken_back` selects those whose
/// consent was withdrawn then. For a city whose gateway does not run: there is one writer.
pub fn receipts(city: &City, given: &[Given<'_>], taken_back: impl Fn(usize) -> bool) -> Vec<Receipt> {
    let path = city.data().join("policy.toml");
    let text = std::fs::read_to_string(&path).expect("the city's policy");
    let policy = Policy::parse(&text, &path).expect("a good policy");
    let keys = Keys::load(&city.data().join("keys")).expect("the city's keys");
    let mut registry = Registry::open(&city.data().join("registry.db"), &keys).expect("the city's registry");
    let codes = Codes::new(0);
    let mut registrar = Registrar::new(&mut registry, &codes, policy.into());
    let one = |(index, &(phone, now_s, detail)): (usize, &Given<'_>)| {
        let phone = Phone::parse(phone).expect("a phone number");
        let agreed =
            ConsentTerms { flow: Flow::Scan, beneficiary: Beneficiary::Owner, detail, text: "scan-1" };
        let consent = registrar.consent(&prove(&keys, &phone, now_s), agreed, now_s).expect("recorded");
        let AtGate::Open(receipt) = registrar.receipt(consent, &phone, now_s).expect("open") else {
            panic!("nobody has scanned it")
        };
        if taken_back(index) {
            registrar.withdraw_consent(consent, &phone).expect("open");
        }
        receipt
    };
    given.iter().enumerate().map(one).collect()
}
