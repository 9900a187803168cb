//! Look-ups of people: people who passed a gate, their phones, and each person's view of the look-ups.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use device::tokens::Tokens;
use protocol::{Direction, Punch};
use tests::served::{Served, operators_group};
use tests::walk::{device, endpoint, punch};
use tests::{City, binary, block_on, operator_key};

/// Punches of which an export is a multiple of what a socket, a pipe and a program between hold.
const EXPORTED: usize = 8_000;

/// Lets the first person of the city pass the first gate, and gives code and place.
fn pass(city: &City) -> (u64, u32) {
    let fleet = city.fleet();
    let tokens = Tokens::load(&fleet).expect("the city's codes");
    let person = tokens.people()[0];
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        let now_ms = runtime::clock::now_ms();
        let scanned = tokens.scan(&person, u32::try_from(now_ms / 1000).expect("before 2106"));
        gate.punch(
            region,
            Punch { scanned, direction: Direction::In, place, device_time_ms: now_ms, offline: None },
            0,
        );
        gate.settle().await.expect("acknowledged");
    });
    (person.code.get(), place.0)
}

/// Returns the begin and the end of today, in the city's time.
fn today() -> (String, String) {
    let day = policy::trajectory::day_of(runtime::clock::now_s());
    (format!("{day}T00:00"), format!("{}T00:00", policy::trajectory::days_after(day, 1)))
}

#[test]
fn who_passed_is_shown_masked_and_each_of_them_sees_who_looked() {
    let mut city = City::start(200, 1);
    let (code, place) = pass(&city);
    let (from, to) = today();
    let (number, place) = (code.to_string(), place.to_string());
    let good = |city: &City, words: &[&str]| {
        let (status, out, err) = city.signed(1, words);
        assert!(status.success(), "{words:?}: {out}{err}");
        out
    };
    let refused = |city: &City, words: &[&str], expected: &str| {
        let (status, out, err) = city.signed(1, words);
        assert!(status.code() == Some(2) && err.contains(expected), "{words:?}: {out}{err}");
    };
    let who = ["punches", "who", "--place", &place, "--from", &from, "--to", &to, "--case", "C-7"];
    let out = good(&city, &who);
    assert!(out.contains(&number) && out.contains("＊") && out.contains("1 people"), "{out}");
    let contact = good(&city, &["code", "contact", &number, "--case", "C-7"]);
    let phone: String = contact.chars().filter(char::is_ascii_digit).collect();
    assert!(phone.len() >= 11 && !out.contains(&phone[phone.len() - 11..]), "{out}");
    let before = ["ledger", "export", "--case", "C-8"];
    assert!(good(&city, &before).contains(&number));
    let within =
        |from: &str| good(&city, &[&before[..], &["--from", from, "--to", "2099-01-01T00:00"]].concat());
    assert!(within(&from).contains(&number) && !within(&to).contains(&number));

    let accesses = good(&city, &["code", "accesses", &number, "--case", "C-9"]);
    for (lookup, case) in [("passages", "C-7"), ("contact", "C-7"), ("export", "C-8"), ("accesses", "C-9")] {
        let seen = |line: &str| line.contains(lookup) && line.contains(case) && line.contains("li-na");
        assert!(accesses.lines().any(seen), "{lookup}: {accesses}");
    }
    refused(&city, &["code", "contact", &number, "--case", " "], "names its case");
    refused(&city, &["code", "contact", "77", "--case", "C-7"], "there is no code 77");
    refused(&city, &[&who[..6], &["--to", &from, "--case", "C-7"]].concat(), "within a day");
    assert!(city.metric("changtong_lookups_total", "passages") >= 1.0);
    let log = city.log();
    assert!(!log.contains(&phone[phone.len() - 11..]) && !log.contains(&number), "{log}");

    for _ in 0..20 {
        let (status, ..) = city.signed(1, &who);
        if !status.success() {
            break;
        }
    }
    refused(&city, &who, "has looked at as much as one operator may in a day");
    assert!(city.metric("changtong_lookups_refused_total", "passages") >= 1.0, "a look-up over quota alarms");

    assert!(city.terminate().success());
    refused(&city, &who, "has looked at as much");
    let offline = good(&city, &["code", "accesses", &number, "--case", "C-10"]);
    assert!(offline.lines().count() > accesses.lines().count(), "also when no gateway runs: {offline}");
}

#[test]
fn every_administrative_act_takes_an_operator() {
    let city = City::start(100, 1);
    let key = city.data().join("records.key").display().to_string();
    let add = ["operator", "add", "zhao-min", "--authority", "cdc", "--role", "records"];
    let public_key = operator_key("zhao-min", &key);
    let add = [&add[..], &["--public-key", &public_key]].concat();
    let (status, _, err) = city.signed(1, &add);
    assert!(
        status.code() == Some(2) && err.contains("this takes 2 operator(s)"),
        "quotas are for each: {err}"
    );
    let (status, out, err) = city.signed(2, &add);
    assert!(status.success(), "{out}{err}");
    let file = city.data().join("holders.csv");
    std::fs::write(&file, "name,document_kind,document,phone,district,colour,basis,until,qr_text\n")
        .expect("written");
    for words in [
        &["device", "list"][..],
        &["device", "enrol", "--name", "x", "--class", "gate", "--region", "1"],
        &["device", "renew", "1"],
        &["device", "revoke", "1"],
        &["holders", "import", file.to_str().expect("a plain path")],
        &["operator", "revoke", "li-na"],
        &["appeal", "list"],
        &["appeal", "answer", "1", "--grant", "--text", "yes"],
    ] {
        let (status, out, err) = city.command(&[words, &["--sign", &key]].concat());
        assert_eq!(status.code(), Some(2), "{words:?}: {out}");
        assert!(err.contains("operator(s) with the role"), "{words:?}: {err}");
    }
    let (status, _, err) = city.command(&["device", "list"]);
    assert!(status.success() && err.contains("signed by li-na"), "a development city says who signs: {err}");
}

#[test]
fn the_first_operator_of_a_registry_signs_nothing_and_the_second_has_to_be_signed_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::create_dir(directory.path().join("data")).expect("made");
    let run = |words: &[&str]| {
        let output = Command::new(binary()).args(words).output().expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (keys, data) = (path("keys"), path("data"));
    assert_eq!(run(&["keys", "init", "--keys", &keys]).0, Some(0));
    let (first, second) = (path("first.key"), path("second.key"));
    let place = ["--data", &data, "--keys", &keys];
    let add = |name: &str, key: &str, more: &[&str]| {
        let words = ["operator", "add", name, "--authority", "cdc", "--role", "admin", "--public-key", key];
        run(&[&words[..], &place, more].concat())
    };
    let (status, err) = run(&[&["device", "list"][..], &place].concat());
    assert!(status == Some(2) && err.contains("add the first operator"), "before there is one: {err}");
    assert_eq!(add("li-na", &operator_key("li-na", &first), &[]).0, Some(0));
    let public_key = operator_key("wang-wei", &second);
    let (status, err) = add("wang-wei", &public_key, &[]);
    assert!(status == Some(2) && err.contains("0 signed"), "{err}");
    let file = path("second.pub");
    std::fs::write(&file, public_key).expect("written");
    assert_eq!(add("wang-wei", &file, &["--sign", &first]).0, Some(0), "a file that was brought along");
}

#[test]
fn what_takes_two_is_signed_at_two_desks_and_stays_on_record() {
    let mut city = City::start(100, 1);
    let path = |name: &str| city.data().join(name).display().to_string();
    let operators: Vec<String> = city.fleet().operators.iter().map(|key| key.display().to_string()).collect();
    let run = |words: &[&str]| city.command(words);
    let good = |words: &[&str]| {
        let (status, out, err) = run(words);
        assert!(status.success(), "{words:?}: {out}{err}");
        (out, err)
    };
    let refused = |words: &[&str], expected: &str| {
        let (status, out, err) = run(words);
        assert!(status.code() == Some(2) && err.contains(expected), "{words:?}: {out}{err}");
    };
    let (order, key) = (path("add.order"), path("chen-jie.key"));
    let public_key = operator_key("chen-jie", &key);
    let add = ["operator", "add", "chen-jie", "--authority", "cdc", "--role", "admin"];
    let add = [&add[..], &["--public-key", &public_key, "--save", &order, "--sign", &operators[0]]].concat();
    good(&add);
    refused(&add, "making");
    refused(&["order", "send", &order], "this takes 2 operator(s) with the role admin");
    let shown = |words: &[&str]| {
        let output = Command::new(binary()).args(words).output().expect("the program runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let seen = shown(&["order", "show", &order]);
    assert!(seen.contains(&public_key) && seen.contains("signed by li-na"), "{seen}");
    // The other one's desk knows no gateway.
    let seen = shown(&["order", "sign", &order, "--sign", &operators[1]]);
    assert!(seen.contains("signed by li-na and wang-wei"), "{seen}");
    let text = std::fs::read_to_string(&order).expect("the order");
    std::fs::write(&order, text.replace("chen-jie", "sun-li")).expect("written");
    refused(&["order", "send", &order], "is not valid");
    std::fs::write(&order, &text).expect("written");
    let (out, err) = good(&["order", "send", &order]);
    assert!(out.contains("chen-jie") && err.contains("on record as entry"), "{out}{err}");
    refused(&["order", "send", &order], "carried out already");

    // Two who have a third may part with one of them, both together.
    refused(&["operator", "revoke", "wang-wei", "--sign", &operators[0]], "this takes 2 operator(s)");
    good(&["operator", "revoke", "wang-wei", "--sign", &operators[0], "--sign", &key]);
    let both = ["--sign", operators[0].as_str(), "--sign", &key];
    refused(
        &[&["operator", "revoke", "chen-jie"][..], &both].concat(),
        "fewer than two admins would be left",
    );
    let report =
        |words: &[&str]| -> serde_json::Value { serde_json::from_str(&good(words).0).expect("JSON") };
    let before = report(&["audit", "verify", "--json"]);
    assert_eq!((before["orders"]["orders"].as_u64(), before["orders"]["ended"].as_u64()), (Some(3), Some(3)));
    assert!(city.terminate().success());
    let after = city.command(&["audit", "verify", "--json"]).1;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&after).expect("JSON"), before, "and afterwards");
}

/// Returns the arguments that set a cause by hand, until that day.
fn cause<'a>(code: &'a str, until: &'a str) -> [&'a str; 8] {
    ["cause", "add", "--code", code, "--kind", "close-contact", "--until", until]
}

#[test]
fn what_is_not_there_is_refused_by_its_name_and_never_in_the_words_of_the_store() {
    let city = City::start(50, 1);
    let (from, to) = today();
    let who = ["punches", "who", "--place", "99999", "--from", &from, "--to", &to, "--case", "C-7"];
    let until = &to[..10];
    let enrol = |region, place| {
        ["device", "enrol", "--class", "gate", "--name", "x", "--region", region, "--place", place]
    };
    for (words, expected) in [
        (&who[..], "there is no place 99999: `changtong place list`"),
        (&cause("17", until), "there is no code 17"),
        (&cause("0", until), "0 is no code's number"),
        (&["cause", "clear", "4711"], "there is no cause 4711"),
        (&["code", "why", "18", "--case", "C-7"], "there is no code 18"),
        (&["code", "accesses", "18", "--case", "C-7"], "there is no code 18"),
        (&["code", "contact", "18", "--case", "C-7"], "there is no code 18"),
        (&["appeal", "answer", "31", "--grant", "--text", "yes"], "there is no appeal 31"),
        (&["device", "renew", "5000"], "there is no device 5000"),
        (&["device", "revoke", "5000"], "there is no device 5000"),
        (&enrol("99", "1"), "there is no region 99"),
        (&enrol("1", "99999"), "there is no place 99999"),
        (&enrol("1", "30"), "place 30 lies in region"),
        (&["place", "add", "x", "--region", "99"], "there is no region 99"),
        (&["place", "print", "99999", "--host", "h.example", "--out", "x.svg"], "there is no place 99999"),
        (&["staff", "invite", "--place", "99999", "--name", "x"], "there is no place 99999"),
        (&["staff", "revoke", "77"], "there is no shift 77"),
        (&["unit", "approve", "77"], "there is no open application 77"),
        (&["operator", "revoke", "nobody"], "there is no operator nobody"),
        (&["tap", "--case", "C-7", "--region", "99", "--seconds", "1"], "there is no region 99"),
        (&["policy", "show", "none-1"], "no policy none-1 was ever in effect"),
        (&["audit", "checkpoint", "--since", "99999"], "decisions are signed here and not 99999"),
    ] {
        // A look-up without an order is not signed.
        let operators = if ["policy", "audit"].contains(&words[0]) { 0 } else { 2 };
        let (status, out, err) = city.signed(operators, words);
        let said = format!("{out}{err}");
        assert!(status.code() == Some(2) && said.contains(expected), "{words:?}: {said}");
        for raw in ["constraint", "Error code", "SQL"] {
            assert!(!said.contains(raw), "{words:?}: {said}");
        }
    }
    // An order that was given again changes nothing, and says so.
    let code = Tokens::load(&city.fleet()).expect("the city's codes").people()[0].code.get().to_string();
    let (status, out, err) = city.signed(2, &cause(&code, until));
    assert!(status.success(), "{out}{err}");
    let (status, out, err) = city.signed(2, &cause(&code, until));
    assert!(status.code() == Some(2) && err.contains("the code has this already: cause"), "{out}{err}");
    let (_, _, err) = city.signed(2, &cause(&code, "2099-01-01"));
    assert!(err.contains("the last day of a cause is") && err.contains("close-contact is set for"), "{err}");
    let why = city.command(&["code", "why", &code, "--case", "C-7"]).1;
    assert!(why.contains(&format!("from {} ", &from[..10])), "with the time: {why}");
}

/// Runs a command as another user of the machine; returns exit code and output.
fn run_as(user: u32, group: u32, program: &std::path::Path, words: &[&str]) -> (Option<i32>, String) {
    let (user, group) = (user.to_string(), group.to_string());
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user, "--regid", &group, "--clear-groups"]).arg(program).args(words);
    let output = command.output().expect("setpriv runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn an_operator_reaches_the_socket_and_nothing_else_of_the_gateway() {
    use std::os::unix::fs::{PermissionsExt, chown};
    const OPERATOR: u32 = 12_346;
    const STRANGER: u32 = 12_347;
    let served = Served::start();
    let socket = served.socket();
    let mode = std::fs::metadata(&socket).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o660, "for its owner and its group");
    if !rustix::process::geteuid().is_root() {
        // Only root can change the user.
        chown(served.at("ward.key"), Some(OPERATOR), None).expect_err("root alone may");
        return;
    }
    served.replace("level = \"warn\"", "level = \"info\"");
    let (status, said) = served.reload();
    assert_eq!(status, Some(0), "{said}");
    let home = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).expect("opened");
    let key = |name: &str, owner| {
        let path = home.path().join(name);
        std::fs::copy(served.at("ward.key"), &path).expect("copied");
        chown(&path, Some(owner), None).expect("given");
        path.display().to_string()
    };
    let (own, others) = (key("own.key", OPERATOR), key("others.key", STRANGER));
    let at = socket.display().to_string();
    let group = operators_group();
    let list = |key| ["operator", "list", "--data", &at, "--sign", key];
    let (status, said) = run_as(OPERATOR, group, &binary(), &list(own.as_str()));
    assert!(status == Some(0) && said.contains("ward"), "{said}");
    assert!(served.log().contains("uid=12346"), "the log says which user: {}", served.log());
    let (status, said) = run_as(STRANGER, STRANGER, &binary(), &list(others.as_str()));
    assert!(status == Some(2) && said.contains("may not speak to the gateway"), "{said}");
    for name in ["keys/field.key", "data/registry.db", "secret.key"] {
        let path = served.at(name).display().to_string();
        let (status, said) = run_as(OPERATOR, group, std::path::Path::new("cat"), &[&path]);
        assert!(status != Some(0) && said.contains("Permission denied"), "{name}: {said}");
    }
}

#[test]
fn an_export_that_is_cut_ends_with_an_error_that_says_what_to_do() {
    let mut city = City::start(100, 4);
    let fleet = city.fleet();
    let (place, region) = fleet.devices[0].places().next().expect("a place");
    block_on(async {
        let endpoint = endpoint(&fleet);
        let mut gate = device(&endpoint, &fleet, 0);
        for _ in 0..EXPORTED {
            gate.punch(region, punch(place), 0);
        }
        gate.settle().await.expect("acknowledged");
    });
    let data = city.data().display().to_string();
    let export = ["ledger", "export", "--case", "C-1", "--format", "jsonl", "--data", &data];
    let mut command = Command::new(binary());
    let pager = command.args(export).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut pager = pager.expect("the program runs");
    // More is under way than all buffers on the way hold: the gateway waits for a reader who is slow, and ends.
    let mut read = BufReader::new(pager.stdout.take().expect("it is piped"));
    let mut out = String::new();
    read.read_line(&mut out).expect("a first line");
    city.kill();
    read.read_to_string(&mut out).expect("what was under way");
    let output = pager.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(out.lines().count() < EXPORTED, "it was cut");
    assert!(output.status.code() == Some(2) && err.contains("the export is not whole"), "{err}");
    assert!(err.contains("export to a file"), "{err}");
    city.restart();
    let (status, out, err) = city.command(&export[..6]);
    assert!(status.success() && out.lines().count() == EXPORTED, "whoever reads on has all: {err}");
}
