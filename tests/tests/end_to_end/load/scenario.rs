//! A scenario with all features against a running city, the search for the limit, and refused options. No figure is
//! judged: two runs of one seed have the same plan, and all people are answered or counted.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use loadtest::outcome::{Exit, REPORT_FILE, Report};
use loadtest::scenario::Kind;
use tests::City;

const EVERYTHING: &str = r#"
name = "everything"
about = "All that can be asked for, over a poor network, while colours change"
city = { people = 500, gates = 9 }
population = { skew = 0.8, signed_in = 4, receipts = 30 }
mix = { verify = 10, punch = 2, query = 0.2, place = 1, code = 1, apply = 0.2 }
network = { loss = 0.02, delay_ms = 3, jitter_ms = 3 }
fleet = [
  { class = "gate", count = 8 },
  { class = "handheld", count = 2, think_ms = 50, weight = 0.2 },
  { class = "concentrator", count = 2, gather_ms = 100, weight = 3 },
]
stage = [
  { name = "before", kind = "ramp", seconds = 1, rate = 200, warm_up = true },
  { name = "spike", kind = "spike", seconds = 2, rate = 400 },
  { name = "step", kind = "step", seconds = 1, rate = 100 },
  { name = "hold", kind = "hold", seconds = 1 },
]
event = [
  { at_s = 1.0, do = "colours", count = 3 },
  { at_s = 1.5, do = "disconnect" },
  { at_s = 2.0, do = "rebind" },
  { at_s = 2.0, for_s = 0.5, do = "network", network = { loss = 0.2 } },
  { at_s = 1.0, for_s = 3, do = "carrier", carrier = "china-mobile", mode = "slow", ms = 200 },
]
retry = { patience_ms = 20000, again = 1.0, times_max = 5, think_ms = 200 }
threshold = [{ of = "apply", figure = "answered_share", min = 1.0 }]
generator = { late_p99_ms_max = 60000, busy_share_max = 1.0 }
"#;

/// Runs the load test's program; returns exit code and output.
fn loadtest(words: &[&str]) -> (i32, String) {
    let program = tests::binary().with_file_name("loadtest");
    let Output { status, stdout, stderr } = Command::new(program).args(words).output().expect("it runs");
    let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (status.code().expect("it ends by itself"), said)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn everything_at_once_is_answered_or_accounted_for() {
    let city = City::start(500, 9);
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("everything.toml");
    fs::write(&file, EVERYTHING).expect("written");
    let (out, data) = (folder.path().join("out"), city.data());
    let words = ["run", text(&file), "--data", text(&data), "--out", text(&out), "--seed", "7"];
    let (code, said) = loadtest(&words);
    assert_eq!(code, 0, "{said}");
    let report = Report::read(&out.join(REPORT_FILE)).expect("a report");
    for kind in Kind::ALL {
        let one = &report.total[&kind];
        assert!(one.offered > 0 && one.answered > 0, "{}: {one:?}", kind.name());
        assert_eq!(one.offered, one.answered + one.failed.values().sum::<u64>(), "{}", kind.name());
        assert!(one.tries >= one.offered, "{}", kind.name());
    }
    assert!(report.events.iter().all(|event| event.done), "{:?}", report.events);
    let proof = &report.proof;
    assert_eq!((proof.colours_changed, proof.wrong_verdicts, proof.stale_verdicts), (3, 0, 0));
    assert!(proof.searched_for > 0 && proof.leaked.is_empty() && proof.acknowledged > 0);

    // Another run in the same city knows what this one changed. And what is done to a process is done to those of its own only.
    let kill = EVERYTHING.replace("do = \"rebind\" }", "for_s = 1, do = \"kill\" }");
    fs::write(&file, kill).expect("written");
    let (code, said) = loadtest(&words);
    assert!(code == 98 && said.contains("leave out --data"), "{code}: {said}");
}

#[test]
fn the_limit_is_searched_for_and_found() {
    let city = City::start(100, 9);
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("narrow.toml");
    // Nothing holds above the rate that is asked for, so the knee lies where the threshold puts it, however fast the machine is.
    fs::write(
        &file,
        r#"
name = "narrow"
about = "A limit that the threshold sets"
city = { people = 100, gates = 9 }
fleet = [{ class = "gate", count = 9 }]
stage = [{ name = "one", kind = "step", seconds = 1, rate = 100 }]
threshold = [{ of = "verify", figure = "answered_rate", max = 200 }]
generator = { late_p99_ms_max = 60000, busy_share_max = 1.0 }
"#,
    )
    .expect("written");
    let (out, data) = (folder.path().join("out"), city.data());
    let (code, said) =
        loadtest(&["find-limit", text(&file), "--seconds", "1", "--data", text(&data), "--out", text(&out)]);
    assert_eq!(code, 0, "{said}");
    let limit: loadtest::run::limit::Limit =
        serde_json::from_slice(&fs::read(out.join("limit.json")).expect("a file")).expect("JSON");
    let (holds, breaks) = (limit.holds.expect("some rate holds"), limit.breaks.expect("some does not"));
    assert!(holds > 100.0 && breaks < 400.0 && holds < breaks, "{limit:?}");
    assert!(limit.steps.iter().all(|step| step.exit != Exit::Correctness));
}

#[test]
fn only_a_development_city_or_a_marked_gateway_is_loaded() {
    let mut city = City::start(100, 9);
    let data = city.data();
    // The same fleet file, but what answers at its address says nothing of being a test.
    city.kill();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let real = listener.local_addr().expect("an address");
    let path = data.join(device::fleet::FILE);
    let fleet = fs::read_to_string(&path).expect("a fleet file");
    let http = device::Fleet::load(&data).expect("it reads").http;
    fs::write(&path, fleet.replace(&http.to_string(), &real.to_string())).expect("written");
    // It ends with this process.
    std::thread::spawn(move || {
        loop {
            let (mut stream, _) = listener.accept().expect("somebody asks");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.extend(byte);
            }
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nchangtong_ready 1\nchangtong_test_gateway 0\n");
        }
    });
    let folder = tempfile::tempdir().expect("a directory");
    for command in ["run", "find-limit"] {
        let words = [command, "steady", "--data", text(&data), "--out", text(folder.path())];
        let (code, said) = loadtest(&words);
        assert!(code == 2 && said.contains("left alone"), "{command}: {code}: {said}");
    }
    let words = ["drill", "kill", "--data", text(&data), "--out", text(folder.path())];
    let (code, said) = loadtest(&words);
    assert!(code == 2 && said.contains("left alone"), "{code}: {said}");
}

#[test]
fn what_is_asked_wrongly_is_said_and_ends_with_2() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("wrong.toml");
    fs::write(&file, EVERYTHING.replace("people = 500, gates", "poeple = 500, gates")).expect("written");
    for (words, expected) in [
        (vec!["run", "stedy"], "did you mean \"steady\""),
        (vec!["run", text(&file)], "wrong.toml:4: unknown field `poeple`"),
        (vec!["drill", "steady"], "there is no drill"),
        (vec!["run", "steady", "--data", "/nowhere"], "is a development city running there?"),
        (vec!["run", "fleet-partition", "--data", "/nowhere"], "leave out --data"),
        (vec!["find-limit", "fleet-partition"], "one gateway"),
        (vec!["run"], "Usage"),
    ] {
        let (code, said) = loadtest(&words);
        assert!(code == 2 && said.contains(expected), "{words:?}: {code}: {said}");
    }
}

#[test]
fn a_plan_is_the_same_bytes_for_the_same_seed() {
    let plan = |seed| loadtest(&["plan", "steady", "--seed", seed]);
    assert_eq!(plan("3"), plan("3"));
    assert_ne!(plan("3"), plan("4"));
}

#[test]
fn a_revoked_device_takes_no_part_and_a_copied_city_is_not_taken_for_the_first() {
    let city = City::start(100, 4);
    let revoked = city.fleet().of_class(protocol::DeviceClass::Gate).next().expect("a gate").id();
    let (status, out, err) = city.command(&["device", "revoke", &revoked.to_string()]);
    assert!(status.success(), "{out}{err}");
    let quick = |data: &Path| {
        loadtest(&["quick", "--devices", "4", "--seconds", "1", "--rate", "20", "--data", text(data)])
    };
    let (code, said) = quick(&city.data());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("device {revoked} is revoked and takes no part")), "{said}");
    let copy = tempfile::tempdir().expect("a directory");
    fs::copy(city.data().join("fleet.json"), copy.path().join("fleet.json")).expect("copied");
    let (code, said) = quick(copy.path());
    assert!(code == 2 && said.contains("speaks of the city in"), "{said}");
    let (code, said) = loadtest(&["list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert!(code == 0 && list.as_array().is_some_and(|list| list.len() > 10), "{said}");
}
