//! Numbers and names that must not be anywhere: some people use every function, at the most detailed log level, and
//! then their data is searched for in all files and outputs of the gateway. Two commands show them on purpose and are left out.

use std::path::{Path, PathBuf};

use device::tokens::{Person, Tokens};
use protocol::{Basis, Class, CodeId, Colour, Direction, Punch, Scanned};
use tests::people::{Citizen, appeal, at_the_gate, demo};
use tests::walk::{device, endpoint};
use tests::{City, block_on};

/// A demo person: what is told of them at a gate is known.
const WUHAN: &str = "thirty hours in Wuhan";
/// The phone of a person who is no demo person.
const ASKED_IN_VAIN: &str = "16377310421";
const IMPORTED: &str = "16877310422";
const REJECTED: &str = "16477310423";
/// A phone of no carrier: no code is ever sent to it.
const NOBODYS: &str = "14977310424";
const NAMES: [&str; 4] = ["瞿芷蘅", "鄢若翀", "Quillon Zebedee", "Ysolde Kvist"];
const DOCUMENTS: [&str; 4] = ["QZX7731042", "YKV7731043", "BAD7731044", "WRG7731045"];

/// The two commands that show a person on request, with a case, on record: the phone to call, and a citizen's text
/// in an appeal.
const MEANT_TO_SHOW: [&str; 2] = ["code contact", "appeal list"];

/// Returns all data that must not be found, in every possible form: as text, in UTF-16, in hexadecimal, and a number as bytes.
fn canaries() -> Vec<(String, Vec<u8>)> {
    let texts = [demo(WUHAN).phone, ASKED_IN_VAIN, IMPORTED, REJECTED, NOBODYS];
    let texts = texts.iter().chain(&NAMES).chain(&DOCUMENTS).chain([&demo(WUHAN).document]);
    let mut all = Vec::new();
    for text in texts {
        all.push((format!("{text} as text"), text.as_bytes().to_vec()));
        all.push((format!("{text} in lower case"), text.to_lowercase().into_bytes()));
        all.push((format!("{text} in UTF-16"), text.encode_utf16().flat_map(u16::to_le_bytes).collect()));
        all.push((format!("{text} in hexadecimal"), hex::encode(text).into_bytes()));
        if let Ok(number) = text.parse::<u64>() {
            let bytes = number.to_be_bytes();
            all.push((format!("{text} as a number"), bytes.to_vec()));
            all.push((format!("{text} as a number, turned round"), number.to_le_bytes().to_vec()));
        }
    }
    all
}

/// The places that were looked through, and what was found.
#[derive(Default)]
struct Search {
    bytes: usize,
    places: usize,
    found: Vec<String>,
}

impl Search {
    fn look(&mut self, place: &str, bytes: &[u8], canaries: &[(String, Vec<u8>)]) {
        self.bytes += bytes.len();
        self.places += 1;
        for (what, canary) in canaries {
            if bytes.windows(canary.len()).any(|window| window == canary) {
                self.found.push(format!("{what}: {place}"));
            }
        }
    }

    fn look_into(&mut self, directory: &Path, canaries: &[(String, Vec<u8>)]) {
        for entry in std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"))
        {
            let path = entry.path();
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                self.look_into(&path, canaries);
            } else if kind.is_file() {
                let name = path.display().to_string();
                self.look(&name, &std::fs::read(&path).expect("readable"), canaries);
                self.look("the name of a file", name.as_bytes(), canaries);
            }
        }
    }
}

fn good(city: &City, operators: usize, words: &[&str]) -> String {
    let (status, out, err) = city.signed(operators, words);
    assert!(status.success(), "{words:?}: {out}{err}");
    out
}

fn form<'a>(name: &'a str, kind: &'a str, document: &'a str) -> Vec<&'a str> {
    vec!["--name", name, "--kind", kind, "--document", document, "--district", "360102"]
}

fn submit(citizen: &Citizen<'_>, form: &[&str], rest: &[&str]) -> u64 {
    let said = citizen.ask(&["apply"], &[form, rest].concat()).expect("submitted");
    said["taken"]["code"].as_u64().expect("a code")
}

/// Uses the pages as a person with a stay in Hubei: signs in with a wrong and a right code, has a query, applies in every wrong and in the
/// right way, modifies, takes a consent back.
fn applies(city: &City) -> (Citizen<'_>, u64) {
    let hubei = demo(WUHAN);
    let citizen = Citizen::begin(city, hubei.phone).expect("a made-up number");
    let right = citizen.message();
    let wrong = if right == "123456" { "654321" } else { "123456" };
    citizen.ask(&["prove"], &[wrong]).expect_err("a wrong code");
    citizen.ask(&["consent"], &["--flow", "apply"]).expect_err("not proven");
    citizen.ask(&["prove"], &[&right]).expect("the right code");
    let (consent, _, field) = citizen.consent("apply");
    assert_eq!(field, "locked to yes");
    let form = form(NAMES[0], "id-card", hubei.document);
    let other_end = format!("{}x", &hubei.document[..17]);
    for (document, rest) in
        [(hubei.document, &["--declared", "false"][..]), (&other_end, &[]), ("77310421", &[])]
    {
        let mut wrong = form.clone();
        wrong[5] = document;
        citizen.ask(&["apply"], &[&wrong[..], &["--consent", &consent], rest].concat()).expect_err(document);
    }
    let code = submit(&citizen, &form, &["--consent", &consent]);
    let (consent, ..) = citizen.consent("modify");
    assert_eq!(submit(&citizen, &form, &["--consent", &consent, "--community", "下沙窝"]), code);
    citizen.ask(&["withdraw"], &[&consent]).expect("taken back");
    citizen.ask(&["confirm"], &["passport", DOCUMENTS[3]]).expect("an answer");
    (citizen, code)
}

/// Uses the pages as a person whose carrier fails in every way, and asks for messages to numbers to which nothing is sent.
fn is_asked_for_in_vain(city: &City) {
    let citizen = Citizen::new(city, ASKED_IN_VAIN);
    for words in
        [&["garbage"][..], &["another-number"], &["status", "--status", "500"], &["redirect"], &["down"]]
    {
        good(city, 0, &[&["carrier", "fault", "china-mobile"], words].concat());
        let (consent, outcome, _) = citizen.consent("apply");
        assert!(outcome["unavailable"].is_string(), "{outcome}");
        let form = form(NAMES[1], "passport", DOCUMENTS[0]);
        submit(&citizen, &form, &["--consent", &consent, "--declared", "false"]);
    }
    good(city, 0, &["carrier", "fault", "china-mobile", "none"]);
    let taken = form(NAMES[2], "id-card", demo(WUHAN).document);
    citizen
        .ask(&["apply"], &[&taken[..], &["--declared", "false"]].concat())
        .expect_err("another's document");
    drop(Citizen::begin(city, NOBODYS));
    for number in [&ASKED_IN_VAIN[..10], &format!("{ASKED_IN_VAIN}0"), &format!("+1{ASKED_IN_VAIN}")] {
        assert!(Citizen::begin(city, number).is_err(), "no number of the mainland");
    }
}

/// Imports holders from a file, of whom one is good and the others are rejected for a fault of their line; the good one signs in.
fn are_imported(city: &City, files: &Path) {
    let header = "name,document_kind,document,phone,district,colour,basis,until,qr_text";
    let line = |name, document, phone, text| {
        format!("{name},passport,{document},{phone},360102,green,declared,,{text}\n")
    };
    let lines = [
        line(NAMES[2], DOCUMENTS[1], IMPORTED, "CANARY-OLD-1"),
        line(NAMES[3], "?BAD7731044", REJECTED, "CANARY-OLD-2"),
        line(NAMES[3], DOCUMENTS[2], "1647731042", "CANARY-OLD-3"),
        line(NAMES[3], DOCUMENTS[1], REJECTED, "CANARY-OLD-4"),
        format!("{},{},{REJECTED}\n", NAMES[3], DOCUMENTS[2]),
        format!("{},id-card,{},{REJECTED},360102,green,declared,,\n", NAMES[3], DOCUMENTS[2]),
    ];
    let path = |name: &str| files.join(name).display().to_string();
    std::fs::write(path("holders.csv"), format!("{header}\n{}", lines.concat())).expect("written");
    let (status, out, err) = city.signed(2, &["holders", "import", &path("holders.csv")]);
    assert_eq!(status.code(), Some(1), "lines were rejected: {out}{err}");
    assert!(out.contains("1 people imported, 0 already there and not changed, 5 lines rejected"), "{out}");
    std::fs::write(path("headless.csv"), lines.concat()).expect("written");
    assert!(!city.signed(2, &["holders", "import", &path("headless.csv")]).0.success(), "without a header");
    let citizen = Citizen::new(city, IMPORTED);
    citizen.ask(&["confirm"], &["passport", DOCUMENTS[3]]).expect("an answer");
    let known = citizen.ask(&["confirm"], &["passport", DOCUMENTS[1]]).expect("an answer");
    assert!(known["confirmed"]["code"].is_u64(), "{known}");
}

/// Shows at a gate, over QUIC, the code, personal numbers as if they were codes, and receipts for queries of carriers.
fn pass_a_gate(city: &City, citizen: &Citizen<'_>, code: u64) {
    assert_eq!(at_the_gate(city, code).colour, Colour::Red);
    let said = citizen.ask(&["consent"], &["--flow", "scan", "--cities"]).expect("a consent");
    let consent = said["consented"]["consent"].to_string();
    let said = citizen.ask(&["receipt"], &[&consent]).expect("a receipt");
    let text = said["receipt"]["text"].as_str().expect("a text");
    let receipt = protocol::receipt::from_text(text).expect("a receipt");
    for (what, canary) in canaries() {
        assert!(!receipt.windows(canary.len()).any(|window| window == canary), "{what} is in a receipt");
    }
    let fleet = city.fleet();
    let tokens = Tokens::load(&fleet).expect("the city's token key");
    let code = CodeId::from_u64(code).expect("a code");
    let person = Person { code, colour: Colour::Unknown, basis: Basis::Nothing, class: Class::Person };
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        let now_ms = runtime::clock::now_ms();
        let texts = [ASKED_IN_VAIN, DOCUMENTS[0], NAMES[0], "CANARY-OLD-1"].map(str::to_owned);
        let own = tokens.scan(&person, u32::try_from(now_ms / 1000).expect("before 2106"));
        for scanned in texts.map(Scanned::Text).into_iter().chain([own]) {
            let punch =
                Punch { scanned, direction: Direction::In, place, device_time_ms: now_ms, offline: None };
            gate.punch(region, punch, 0);
        }
        gate.settle().await.expect("acknowledged");
        let answer = gate.ask_trajectory(region, receipt).await.expect("an answer");
        assert_eq!(answer.stay().name(), "yes");
        let mut broken = receipt;
        broken[5] ^= 1;
        for receipt in [receipt, broken] {
            gate.ask_trajectory(region, receipt).await.expect_err("used up, and somebody else's");
        }
    });
}

/// Appeals with personal data in the text. No page does this yet, so the gateway is stopped.
fn appeals(city: &City, code: u64) {
    let words = format!("I am {}, {}, call {}", NAMES[0], demo(WUHAN).document, demo(WUHAN).phone);
    appeal(city, code, &words);
}

/// Does what operators do: looks, exports, decides and proves.
fn is_looked_at(city: &City, files: &Path, code: u64) {
    let number = code.to_string();
    let today = policy::trajectory::day_of(runtime::clock::now_s());
    let after = |days| policy::trajectory::days_after(today, days).to_string();
    let cause = ["cause", "add", "--code", &number, "--kind", "diagnosis", "--until", &after(7)];
    good(city, 2, &cause);
    let receipt = files.join("receipt.json").display().to_string();
    good(city, 1, &["code", "why", &number, "--case", "C-1", "--receipt", &receipt]);
    let keys = city.data().join("keys").display().to_string();
    let key = std::process::Command::new(tests::binary()).args(["audit", "key", "--keys", &keys]).output();
    let key = String::from_utf8(key.expect("the program runs").stdout).expect("text");
    let check = ["audit", "check", &receipt, "--public-key", key.trim()];
    let checked = std::process::Command::new(tests::binary()).args(check).output().expect("the program runs");
    assert!(checked.status.success());
    std::fs::write(files.join("checked.txt"), [checked.stdout, checked.stderr].concat()).expect("written");
    let place = city.fleet().devices[0].places().next().expect("a place").0.0.to_string();
    let (from, to) = (format!("{today}T00:00"), format!("{}T00:00", after(1)));
    let who = ["punches", "who", "--place", &place, "--from", &from, "--to", &to, "--case", "C-1"];
    assert!(good(city, 1, &who).contains(&number));
    assert!(good(city, 1, &["ledger", "export", "--case", "C-1"]).contains(&number));
    for words in [
        &["code", "accesses", &number, "--case", "C-1"][..],
        &["operator", "list"],
        &["device", "list"],
        &["place", "list"],
    ] {
        good(city, 1, words);
    }
    for words in [
        &["consents", "verify"][..],
        &["audit", "verify"],
        &["ledger", "verify"],
        &["carrier", "list"],
        &["policy", "show"],
    ] {
        good(city, 0, words);
    }
    let listed = good(city, 1, &["appeal", "list"]);
    assert!(listed.contains(demo(WUHAN).phone), "an appeal is shown to whom it goes: {listed}");
    let answer = format!("{}, we have seen it", NAMES[0]);
    good(city, 1, &["appeal", "answer", "1", "--refuse", "--text", &answer]);
    let contact = good(city, 1, &["code", "contact", &number, "--case", "C-1"]);
    assert!(contact.contains(demo(WUHAN).phone) && contact.contains(NAMES[0]), "{contact}");
}

#[test]
fn no_phone_document_or_name_is_in_anything_that_is_written_said_or_kept() {
    let files = tempfile::tempdir().expect("a directory");
    let mut city = City::new(100, 2);
    city.log_at("trace");
    city.spawn();
    city.wait_ready();
    let (citizen, code) = applies(&city);
    // Before the carriers fail: for a while afterwards they are not asked.
    pass_a_gate(&city, &citizen, code);
    is_asked_for_in_vain(&city);
    are_imported(&city, files.path());
    drop(citizen);
    let metrics = city.get("/metrics").expect("metrics").1;
    let messages = city.get("/dev/sms").expect("messages of development").1;
    city.terminate();
    appeals(&city, code);
    // Output for programs hides personal data as output for people does.
    city.log_as("json");
    city.restart();
    is_looked_at(&city, files.path(), code);
    let later = city.get("/metrics").expect("metrics").1;

    let (canaries, mut search) = (canaries(), Search::default());
    for (place, text) in [
        ("metrics", metrics),
        ("metrics after the restart", later),
        ("messages", messages),
        ("log", city.log()),
    ] {
        assert!(!text.is_empty(), "{place}");
        search.look(place, text.as_bytes(), &canaries);
    }
    let said = city.said();
    for (words, text) in said.iter().filter(|(words, _)| !MEANT_TO_SHOW.contains(&words.as_str())) {
        search.look(&format!("what `changtong {words}` said"), text.as_bytes(), &canaries);
    }
    // What is meant to show them, and what this test wrote itself, shows that the search finds them.
    let mut control = Search::default();
    for (words, text) in said.iter().filter(|(words, _)| MEANT_TO_SHOW.contains(&words.as_str())) {
        control.look(words, text.as_bytes(), &canaries);
    }
    control.look_into(files.path(), &canaries);
    let finds = |text: &str, place: &str| {
        control.found.iter().any(|found| found.starts_with(text) && found.contains(place))
    };
    for (text, place) in [
        (demo(WUHAN).phone, "code contact"),
        (NAMES[0], "code contact"),
        (demo(WUHAN).document, "appeal list"),
        (REJECTED, "holders.csv"),
        (DOCUMENTS[2], "holders.csv"),
    ] {
        assert!(finds(text, place), "{text} in {place}: {:?}", control.found);
    }
    for input in ["holders.csv", "headless.csv"] {
        std::fs::remove_file(files.path().join(input)).expect("this test wrote it");
    }
    let rejects: Vec<PathBuf> =
        vec![files.path().join("holders.rejects.csv"), files.path().join("receipt.json")];
    assert!(rejects.iter().all(|path| path.exists()), "{rejects:?}");
    search.look_into(files.path(), &canaries);
    search.look_into(&city.data(), &canaries);
    city.terminate();
    search.look_into(&city.data(), &canaries);
    search.look("log to the end", city.log().as_bytes(), &canaries);
    println!("{} places, {} bytes, {} canaries", search.places, search.bytes, canaries.len());
    assert!(search.found.is_empty(), "{} of {}", search.found.join("\n"), search.places);
    let log = city.log();
    assert!(log.contains(" TRACE ") && log.contains("\"level\":\"TRACE\""), "everything was logged");
}
