//! The configuration: the example is its reference, and everything that is wrong, in it or in the files that it names, is said at
//! once with its line.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use keys::Keys;

use super::*;
use crate::config::{CONNECTIONS, Fronts, LOG_LEVEL, QUEUE_PUNCHES, SEGMENT_BYTES, parse, whereabouts};
use crate::tls::pki::{Authority, write_new};

const EXAMPLE: &str = include_str!("../../changtong.example.toml");

/// The faults of a text, as `LINE: what`.
fn said(text: &str) -> Vec<String> {
    match parse(text, Path::new("file")) {
        Ok(_) => Vec::new(),
        Err(refused) => lines(&refused),
    }
}

fn lines(refused: &Refused) -> Vec<String> {
    refused.faults.iter().map(|fault| format!("{}: {}", fault.line, fault.what)).collect()
}

/// The line of the text on which that stands first, from 1.
fn line_of(text: &str, what: &str) -> usize {
    text.lines().position(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{what}")) + 1
}

#[test]
fn the_example_is_read_and_shows_the_defaults() {
    let settings = parse(EXAMPLE, Path::new("example")).unwrap().settings;
    assert_eq!(settings.segment_bytes_max, SEGMENT_BYTES);
    assert_eq!(settings.queue_punches_max, QUEUE_PUNCHES);
    assert_eq!((settings.fronts, settings.connections_max), (Fronts::default(), CONNECTIONS));
    assert_eq!(settings.log, LOG_LEVEL);
    let [mobile, unicom, telecom] = &settings.carriers[..] else { panic!("the notice names three carriers") };
    assert_eq!([&mobile.id, &unicom.id, &telecom.id], ["china-mobile", "china-unicom", "china-telecom"]);
    // What the example says of the first is what the others have by default.
    assert_eq!((mobile.permits, mobile.deadline_ms), (unicom.permits, unicom.deadline_ms));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (from, to, expected) in [
        ("[ledger]", "[leger]", "unknown key `leger`; did you mean `ledger`?"),
        ("segment_bytes_max = 268435456", "segment_bytes_max = -1", "`ledger.segment_bytes_max`: invalid"),
        ("listen = \"127.0.0.1:9464\"", "listen = 9464", "`http.listen`: invalid type"),
        ("listen = \"127.0.0.1:9464\"", "listen = \"9464\"", "`http.listen`: invalid socket address"),
        (
            "fronts = \"auto\"",
            "fronts = \"many\"",
            "`quic.fronts`: invalid value: string \"many\", expected \"auto\" or a number from 1 to 64",
        ),
        (
            "fronts = \"auto\"",
            "fronts = 65",
            "`quic.fronts`: invalid value: integer `65`, expected \"auto\" or",
        ),
        ("fronts = \"auto\"", "fronts = 0", "`quic.fronts`: invalid value"),
        ("connections_max = 20000", "connections_max = -1", "`quic.connections_max`: invalid"),
        ("permits = 16", "permit = 16", "unknown key `carrier.0.permit`; did you mean `permits`?"),
        ("per_phone_day_max = 10", "per_fone_day_max = 10", "did you mean `per_phone_day_max`?"),
        ("level = \"info", "levle = \"info", "unknown key `log.levle`; did you mean `level`?"),
        ("test = false", "test = \"no\"", "`test`: invalid type"),
        ("test = false", "something = 1", "unknown key `something`; known here: test, data"),
        ("test = false", "test = ", "string values must be quoted"),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let text = EXAMPLE.replacen(from, to, 1);
        let (line, said) = (line_of(&text, to), said(&text));
        let found = said.iter().any(|said| said.starts_with(&format!("{line}: ")) && said.contains(expected));
        // What no TOML parser understands it says in its own words.
        assert!(found || (expected.starts_with("string") && !said.is_empty()), "{to}: {line}: {said:?}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
    let mut text = EXAMPLE.to_owned();
    for (from, to) in [
        ("data = \"/var/lib/changtong\"", "dat = \"/var/lib/changtong\""),
        ("certificate = \"/etc/changtong/server.pem\"", "certificate = 7"),
        ("[enrol]", "[enroll]"),
        ("reserved = \"13300000000\"", ""),
    ] {
        text = text.replacen(from, to, 1);
    }
    let telecom = text.lines().position(|line| line.contains("china-telecom")).unwrap();
    let (dat, certificate) = (line_of(&text, "dat = "), line_of(&text, "certificate = 7"));
    let expected = [
        "1: `data` is missing".to_owned(),
        "1: `enrol` is missing".to_owned(),
        format!("{dat}: unknown key `dat`; did you mean `data`?"),
        format!("{certificate}: `quic.certificate`: invalid type"),
        format!("{}: unknown key `enroll`; did you mean `enrol`?", line_of(&text, "[enroll]")),
        format!("{telecom}: `carrier.2.reserved` is missing"),
    ];
    let said = said(&text);
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(&expected) {
        assert!(said.starts_with(expected), "{said}, not {expected}");
    }
}

/// A configuration with everything that it names, which a gateway would start with.
struct Layout {
    directory: tempfile::TempDir,
    text: String,
}

impl Layout {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["data", "authority", "carriers"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        Keys::init(&at("keys")).unwrap();
        let authority = Authority::create(&at("authority")).unwrap();
        for name in ["server", "pages", "other"] {
            let identity = authority.issue_server(&["localhost".to_owned()]).unwrap();
            write_new(&at(&format!("{name}.pem")), &identity.certificate, 0o644).unwrap();
            write_new(&at(&format!("{name}.key")), &identity.key, 0o600).unwrap();
        }
        for name in ["carriers/china-mobile", "carriers/china-unicom", "carriers/china-telecom", "messages"] {
            write_new(&at(&format!("{name}.pem")), authority.certificate(), 0o644).unwrap();
            write_new(&at(&format!("{name}.key")), &"ab".repeat(32), 0o600).unwrap();
        }
        write_new(&at("policy.toml"), policy::DEVELOPMENT, 0o644).unwrap();
        let root = directory.path().display().to_string();
        let text = EXAMPLE
            .replace("/var/lib/changtong", &format!("{root}/data"))
            .replace("/etc/changtong", &root)
            .replace("/run/changtong", &root)
            .replace("\"changtong-operators\"", "\"0\"")
            .replace("0.0.0.0:443\"", "0.0.0.0:8443\"");
        Self { directory, text }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn replace(&mut self, from: &str, to: &str) {
        assert!(self.text.contains(from), "{from}");
        self.text = self.text.replacen(from, to, 1);
    }

    /// A day's key without a punch log is a fault of its own.
    fn faults_but_a_missing_log(&self) -> Vec<String> {
        let faults = self.faults().into_iter();
        faults.filter(|fault| !fault.contains("holds no punch log")).collect()
    }

    fn faults(&self) -> Vec<String> {
        let path = self.at("changtong.toml");
        std::fs::write(&path, &self.text).unwrap();
        load(&path).map_or_else(|refused| lines(&refused), |_| Vec::new())
    }
}

#[test]
fn no_connections_and_more_than_a_machine_holds_are_refused() {
    for wrong in [0, 1_000_001] {
        let mut layout = Layout::new();
        layout.replace("connections_max = 20000", &format!("connections_max = {wrong}"));
        let faults = layout.faults_but_a_missing_log();
        let expected = "`quic.connections_max`: it is not 1 to 1000000";
        assert!(faults.iter().any(|fault| fault.ends_with(expected)), "{wrong}: {faults:?}");
    }
}

#[test]
fn each_file_and_address_that_is_named_is_looked_at() {
    type Change = fn(&mut Layout);
    let cases: &[(&str, &str, Change)] = &[
        ("data = ", "is no directory", |l| std::fs::remove_dir(l.at("data")).unwrap()),
        ("keys = ", "keys must lie outside data", |l| {
            std::fs::rename(l.at("keys"), l.at("data/keys")).unwrap();
            l.replace("/keys\"", "/data/keys\"");
        }),
        ("keys = ", "is missing", |l| std::fs::remove_file(l.at("keys/pepper.key")).unwrap()),
        ("keys = ", "other users have access", |l| open_up(&l.at("keys/field.key"))),
        ("keys = ", "0700", |l| let_in(&l.at("keys"))),
        ("keys = ", "0700", |l| let_in(&l.at("keys/days"))),
        ("keys = ", "2020-02-20.key", |l| {
            write_new(&l.at("keys/days/2020-02-20.key"), &"ab".repeat(32), 0o640).unwrap();
        }),
        ("certificate = ", "devices would not take it", |l| {
            std::fs::create_dir(l.at("stranger")).unwrap();
            let stranger = Authority::create(&l.at("stranger")).unwrap();
            put_server(l, &stranger, &["localhost".to_owned()]);
        }),
        ("certificate = ", "names no host", |l| {
            let authority = Authority::load(&l.at("authority")).unwrap();
            put_server(l, &authority, &[]);
        }),
        ("[operators]", "lies in no directory", |l| l.replace("/operators.sock", "/none/operators.sock")),
        ("[operators]", "there is no group", |l| l.replace("group = \"0\"", "group = \"no-such-group\"")),
        ("[operators]", "cannot enter the data", |l| l.replace("/operators.sock", "/data/operators.sock")),
        ("policy = ", "policy.toml:", |l| std::fs::write(l.at("policy.toml"), "version = 1\n").unwrap()),
        ("certificate = ", "server.pem", |l| std::fs::remove_file(l.at("server.pem")).unwrap()),
        ("certificate = ", "holds no certificate", |l| std::fs::write(l.at("server.pem"), "").unwrap()),
        ("key = ", "other users have access", |l| open_up(&l.at("server.key"))),
        ("key = ", "is not the key of", |l| {
            std::fs::copy(l.at("other.key"), l.at("server.key")).map(drop).unwrap();
        }),
        ("authority = ", "ca.key", |l| std::fs::remove_file(l.at("authority/ca.key")).unwrap()),
        ("authority = ", "is not the key of", |l| {
            std::fs::copy(l.at("other.key"), l.at("authority/ca.key")).map(drop).unwrap();
        }),
        ("level = ", "\"inof\" is no level", |l| l.replace("\"info,", "\"inof,")),
        ("segment_bytes_max", "it is not", |l| l.replace("= 268435456", "= 4096")),
        ("queue_punches_max", "it is less", |l| l.replace("= 262144", "= 1")),
        ("listen = \"0.0.0.0:9464\"", "is taken by `http.listen`", |l| {
            l.replace("0.0.0.0:7444", "0.0.0.0:9464");
        }),
        ("key = ", "is not 1 to 32", |l| l.replace("id = \"china-mobile\"", "id = \"China Mobile\"")),
        ("[[carrier]]", "two with this id", |l| l.replace("\"china-telecom\"", "\"china-unicom\"")),
        ("key = ", "hexadecimal", |l| {
            std::fs::write(l.at("carriers/china-unicom.key"), "secret").unwrap();
        }),
        ("key = ", "less than 32 bytes", |l| {
            std::fs::write(l.at("carriers/china-unicom.key"), "abcd").unwrap();
        }),
        ("reserved = ", "no number", |l| l.replace("\"13400000000\"", "\"12\"")),
        ("[[carrier]]", "plain http", |l| l.replace("https://trajectory", "http://trajectory")),
        ("[sms]", "plain http", |l| l.replace("https://messages", "http://messages")),
        ("authority = ", "messages.pem", |l| std::fs::remove_file(l.at("messages.pem")).unwrap()),
        ("key = ", "is not the key of", |l| {
            std::fs::copy(l.at("other.key"), l.at("pages.key")).map(drop).unwrap();
        }),
    ];
    assert_eq!(Layout::new().faults(), [""; 0]);
    for (at, expected, change) in cases {
        let mut layout = Layout::new();
        change(&mut layout);
        let said = layout.faults_but_a_missing_log();
        let [fault] = &said[..] else { panic!("{expected}: {said:#?}") };
        let (line, what) = fault.split_once(": ").unwrap();
        let line = layout.text.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
        // A carrier that cannot be used as a whole is named where its entry begins.
        let begins = line.starts_with(at) || line.starts_with("[[carrier]]");
        assert!(begins && what.contains(expected), "{expected}: {fault}, {line}");
    }
}

#[test]
fn whoever_else_may_get_at_the_authority_is_told_with_the_command_that_shuts_it() {
    type Change = fn(&Layout);
    let cases: &[(&str, Change)] = &[
        ("`chmod go-w ", |l| {
            std::fs::set_permissions(l.at("authority"), Permissions::from_mode(0o777)).unwrap();
        }),
        ("`chmod 0600 ", |l| open_up(&l.at("authority/ca.key"))),
        ("`chmod 0600 ", |l| {
            write_new(&l.at("authority/old.key"), "-----BEGIN PRIVATE KEY-----\n", 0o644).unwrap();
        }),
    ];
    for (expected, change) in cases {
        let layout = Layout::new();
        change(&layout);
        let said = layout.faults_but_a_missing_log();
        let [fault] = &said[..] else { panic!("{expected}: {said:#?}") };
        assert!(fault.contains("`enrol.authority`") && fault.contains(expected), "{expected}: {fault}");
    }
}

#[test]
fn many_files_that_are_wrong_are_all_named() {
    let layout = Layout::new();
    for name in ["server.key", "keys/pepper.key", "carriers/china-telecom.key", "messages.key", "pages.key"] {
        open_up(&layout.at(name));
    }
    std::fs::remove_file(layout.at("keys/quic.key")).unwrap();
    let said = layout.faults().join("\n");
    for name in ["server.key", "pepper.key", "china-telecom.key", "messages.key", "pages.key", "quic.key"] {
        assert_eq!(said.matches(&format!("/{name} ")).count(), 1, "{name}: {said}");
    }
    assert_eq!(said.lines().count(), 6, "{said}");
}

#[test]
fn root_who_checks_is_told_what_the_owner_of_the_data_cannot_read() {
    const SOMEBODY: Option<u32> = Some(12_345);
    let layout = Layout::new();
    if !rustix::process::geteuid().is_root() {
        // Without root the owner cannot be changed, and this check cannot be tested.
        chown(layout.at("data"), SOMEBODY, None).expect_err("root alone may");
        return;
    }
    assert!(layout.faults().is_empty(), "everything is root's");
    std::fs::write(layout.at("data/lock"), "").unwrap();
    chown(layout.at("data"), SOMEBODY, None).unwrap();
    let said = layout.faults().join("\n");
    for name in [
        "server.key",
        "authority/ca.key",
        "pages.key",
        "china-mobile.key",
        "messages.key",
        "field.key",
        "data/lock",
    ] {
        assert!(
            said.contains(&format!("{name} belongs to root; the gateway's user cannot")),
            "{name}: {said}"
        );
    }
    for name in ["server.pem", "policy.toml"] {
        assert!(!said.contains(name), "everybody may read {name}: {said}");
    }
}

#[test]
fn a_registry_has_its_own_policy_and_its_own_keys() {
    let mut layout = Layout::new();
    let open = |layout: &Layout| {
        let keys = Keys::load(&layout.at("keys")).unwrap();
        Registry::open(&layout.at("data/registry.db"), &keys).unwrap()
    };
    std::fs::write(layout.at("policy.toml"), "version = 1\n").unwrap();
    drop(open(&layout));
    assert_eq!(layout.faults().len(), 1, "a new registry begins with the file's policy");
    open(&layout).insert_policy("one", policy::DEVELOPMENT, "", 1).unwrap();
    assert_eq!(layout.faults(), [""; 0], "the file is not what is in effect");
    open(&layout).insert_policy("two", "version = 2\n", "", 2).unwrap();
    let said = layout.faults();
    assert!(said.len() == 1 && said[0].contains("policy two in the registry"), "{said:?}");

    Keys::init(&layout.at("other")).unwrap();
    let other = layout.at("other").display().to_string();
    let keys = layout.at("keys").display().to_string();
    layout.replace(&keys, &other);
    let said = layout.faults();
    assert!(
        said.iter().any(|fault| fault.contains("is not the key that this registry was made with")),
        "{said:?}"
    );
}

#[test]
fn the_data_directory_is_found_in_a_file_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changtong.toml");
    for (text, expected) in [
        (EXAMPLE.replace("[ledger]", "[leger]"), Some("/var/lib/changtong")),
        (EXAMPLE.replace("test = false", "test = "), Some("/var/lib/changtong")),
        (EXAMPLE.replace("[http]", "[http"), Some("/var/lib/changtong")),
        (EXAMPLE.replace("data = ", "dat = "), None),
    ] {
        std::fs::write(&path, &text).unwrap();
        assert!(read_file(&path).is_err());
        let found = whereabouts(&path).ok().map(|found| found.data);
        assert_eq!(found.as_deref(), expected.map(Path::new), "{text}");
    }
    assert!(whereabouts(&directory.path().join("none.toml")).is_err());
}

#[test]
fn pages_take_a_message_service() {
    let mut layout = Layout::new();
    let (start, end) = (layout.text.find("[sms]").unwrap(), layout.text.find("[pages]").unwrap());
    layout.text.replace_range(start..end, "");
    let said = layout.faults();
    assert!(said.len() == 1 && said[0].contains("nobody could sign in"), "{said:?}");
}

fn let_in(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Another certificate for the gateway, with its key.
fn put_server(layout: &Layout, authority: &Authority, names: &[String]) {
    let identity = authority.issue_server(names).unwrap();
    for (name, text, mode) in
        [("server.pem", identity.certificate.as_str(), 0o644), ("server.key", &identity.key, 0o600)]
    {
        std::fs::remove_file(layout.at(name)).unwrap();
        write_new(&layout.at(name), text, mode).unwrap();
    }
}

fn open_up(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}
