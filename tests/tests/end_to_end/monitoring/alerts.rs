//! The alerts: each is well formed, tested, and leads to a runbook whose commands and queries exist; and one command
//! starts a Prometheus with all of them beside a gateway.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use tests::prometheus::{dashboards, promtool};
use tests::repository::{files_ending, read};
use tests::{City, binary, http_get, wait_for};

const RULES: &str = "dashboards/rules/changtong.yml";
/// The checks of the doctor alone.
const CHECKS: &str = "dashboards/runbooks/checks.md";
/// The one alert that always fires, and whose quiet case is that it is sent to no person.
const HEARTBEAT: &str = "ChangtongWatchdog";

/// An alert of the rules: several have the same name, and are told apart by windows or severities.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Alert {
    name: String,
    window: Option<String>,
    severity: String,
}

fn checked_in(folder: &str, ending: &str) -> Vec<String> {
    let mut files = files_ending(&[ending]);
    files.retain(|path| path.starts_with(folder));
    assert!(!files.is_empty(), "{folder}*{ending}");
    files
}

/// Returns the text between two texts.
fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

fn alerts() -> BTreeSet<Alert> {
    let (mut alerts, mut name) = (BTreeSet::new(), "");
    let text = read(RULES);
    for line in text.lines().map(str::trim) {
        name = line.strip_prefix("- alert: ").unwrap_or(name);
        if let Some(labels) = between(line, "labels: {severity: ", "}") {
            let (severity, window) = labels.split_once(", window: ").unzip();
            let window = window.map(str::to_owned);
            let severity = severity.unwrap_or(labels).to_owned();
            let alert = Alert { name: name.to_owned(), window, severity };
            assert!(alerts.insert(alert), "{name} {labels} is there twice");
        }
    }
    alerts
}

#[test]
fn rules_are_sound_and_alerts_fire_when_they_should_and_only_then() {
    promtool(&["check", "config", "prometheus.yml"], "");
    promtool(&["check", "rules", "rules/changtong.yml"], "");
    for path in checked_in("dashboards/rule-tests/", "tests.yml") {
        promtool(&["test", "rules", path.strip_prefix("dashboards/").expect("it lies there")], "");
    }
}

#[test]
fn every_alert_has_a_firing_and_a_quiet_case() {
    let alerts = alerts();
    assert!(alerts.len() > 30, "{alerts:?}");
    let (mut firing, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for path in checked_in("dashboards/rule-tests/", "tests.yml") {
        let text = read(&path);
        let mut asked: Option<Vec<&Alert>> = None;
        for line in text.lines().map(str::trim) {
            if let Some(expr) = line.strip_prefix("- expr: ") {
                asked = Some(asked_for(expr, &alerts));
            } else if let Some(samples) = line.strip_prefix("exp_samples:") {
                let asked = asked.take().unwrap_or_else(|| panic!("{path}: {line} without an alert"));
                // Nothing at all is no alert of that name; something is one of them, and says nothing about the others.
                match samples.trim() {
                    "[]" => quiet.extend(asked),
                    _ => firing.extend(asked.first().filter(|_| asked.len() == 1)),
                }
            }
        }
    }
    for (what, cases) in [("firing", firing), ("quiet", quiet)] {
        let lacking: Vec<_> = alerts.iter().filter(|alert| !cases.contains(alert)).collect();
        assert!(lacking.is_empty(), "without a {what} case: {lacking:?}");
    }
}

/// Returns the alerts that a test's expression is about; at least one.
fn asked_for<'a>(expr: &str, alerts: &'a BTreeSet<Alert>) -> Vec<&'a Alert> {
    let is = |label: &str, value: &str| {
        between(expr, &format!("{label}=\""), "\"").is_none_or(|wanted| wanted == value)
    };
    let name = between(expr, "alertname=\"", "\"").unwrap_or_else(|| panic!("{expr} is about no alert"));
    let is_it = |alert: &&Alert| {
        let window = alert.window.as_deref().unwrap_or_default();
        alert.name == name && is("window", window) && is("severity", &alert.severity)
    };
    let asked: Vec<_> = alerts.iter().filter(is_it).collect();
    assert!(!asked.is_empty(), "{expr} is about an alert that there is not");
    asked
}

#[test]
fn every_alert_is_a_page_or_a_ticket_but_the_one_that_always_fires() {
    for Alert { name, severity, .. } in alerts() {
        let expected = if name == HEARTBEAT { &["heartbeat"][..] } else { &["page", "ticket"] };
        assert!(expected.contains(&severity.as_str()), "{name}: {severity}");
    }
}

#[test]
fn alerts_and_sections_of_runbooks_are_the_same() {
    let rules = read(RULES);
    let linked: BTreeSet<String> =
        rules.lines().filter_map(|line| between(line, "runbook_url: \"", "\"")).map(str::to_owned).collect();
    let mut written = sections();
    written.retain(|section| !section.starts_with(CHECKS));
    let difference: Vec<_> = linked.symmetric_difference(&written).collect();
    assert!(difference.is_empty(), "only in the rules or only in the runbooks: {difference:?}");
}

/// Returns every section of a runbook, as a link to it.
fn sections() -> BTreeSet<String> {
    let mut written = BTreeSet::new();
    for path in checked_in("dashboards/runbooks/", ".md") {
        let text = read(&path);
        for section in text.split("\n## ").skip(1) {
            let (id, said) = section.split_once('\n').expect("a section says something");
            for part in ["```", "\nDo", "\nOver "] {
                assert!(said.contains(part), "{path}: {id} lacks {part:?}");
            }
            assert!(written.insert(format!("{path}#{id}")), "{path}: {id} is there twice");
        }
    }
    written
}

/// Returns the name of a check that `source` makes, if it makes one there.
fn checks_of(source: &str) -> BTreeSet<String> {
    let made = ["const ID: &str = \"", "id: \"", "(id, name) = (\"", "::ok(\"", "::ok(\n"];
    let mut ids = BTreeSet::new();
    for before in made {
        for rest in source.split(before).skip(1) {
            let word = rest.trim_start().trim_start_matches('"').split('"').next().unwrap_or_default();
            ids.insert(word.to_owned());
        }
    }
    ids.retain(|id| id.contains('-') || id == "gone");
    ids
}

#[test]
fn every_check_of_the_doctor_has_a_section_of_that_name_and_the_other_way_round() {
    let mut checks = BTreeSet::new();
    for path in files_ending(&[".rs"]) {
        if path.starts_with("gateway/src/diagnosis") {
            let text = read(&path);
            checks.append(&mut checks_of(text.split("#[cfg(test)]").next().unwrap_or_default()));
        }
    }
    assert!(checks.len() > 20, "{checks:?}");
    let sections: BTreeSet<(String, bool)> = sections()
        .into_iter()
        .filter_map(|link| link.split_once('#').map(|(path, id)| (id.to_owned(), path == CHECKS)))
        .collect();
    let known: BTreeSet<&str> = sections.iter().map(|(id, _)| id.as_str()).collect();
    let lacking: Vec<_> = checks.iter().filter(|id| !known.contains(id.as_str())).collect();
    assert!(lacking.is_empty(), "checks without a runbook: {lacking:?}");
    let own = sections.iter().filter(|(_, own)| *own).map(|(id, _)| id);
    let unused: Vec<_> = own.filter(|id| !checks.contains(*id)).collect();
    assert!(unused.is_empty(), "sections of no check: {unused:?}");
}

/// Returns every command of ours that a page shows, in a block of its own or in a sentence.
fn commands(text: &str) -> Vec<&str> {
    let blocks = text.lines().filter(|line| line.starts_with("changtong "));
    let sentences = text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("changtong "));
    blocks.chain(sentences).collect()
}

#[test]
fn every_command_of_the_runbooks_exists_with_its_flags() {
    let mut seen = 0;
    for path in checked_in("dashboards/", ".md") {
        let text = read(&path);
        // Fences are pairs of three: what is in a sentence stays in every other part.
        for command in commands(&text.replace("```", "")) {
            let mut words = command.split_whitespace().skip(1);
            let is_plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            let flags: Vec<&str> = words.clone().filter(|word| word.starts_with("--")).collect();
            let subcommands: Vec<&str> =
                words.by_ref().take_while(|word| is_plain(word) && !word.starts_with('-')).collect();
            let help = Command::new(binary()).args(&subcommands).arg("--help").output().expect("it runs");
            let said = String::from_utf8_lossy(&help.stdout);
            assert!(help.status.success(), "{path}: {command}: {}", String::from_utf8_lossy(&help.stderr));
            for flag in flags {
                assert!(
                    said.contains(&format!("{flag} ")) || said.contains(&format!("{flag}\n")),
                    "{path}: {command}"
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} commands");
}

#[test]
fn every_query_of_the_runbooks_is_understood_by_prometheus() {
    let mut rules = String::from("groups:\n  - name: runbooks\n    rules:\n");
    let mut count = 0;
    for path in checked_in("dashboards/runbooks/", ".md") {
        let text = read(&path);
        for block in text.split("```promql\n").skip(1) {
            for query in block.split("```").next().expect("split has a first part").lines() {
                let quoted = serde_json::Value::from(query);
                rules += &format!("      - record: runbooks:query{count}\n        expr: {quoted}\n");
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count} queries");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("runbooks.yml");
    std::fs::write(&file, rules).expect("written");
    promtool(&["check", "rules", file.to_str().expect("a plain path")], "");
}

#[test]
fn one_command_starts_prometheus_with_every_rule_beside_a_gateway_and_leaves_nothing() {
    let city = City::start(50, 1);
    let gateway = city.fleet().http;
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = free.local_addr().expect("an address");
    drop(free);
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(dashboards().join("up"));
    command.args([gateway.to_string(), listen.to_string()]).env("TMPDIR", directory.path());
    let mut up = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(up.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(said.any(|line| line.contains(&format!("http://{listen}/graph"))), "it says where it is");

    let rules = wait_for("every rule is evaluated without an error", || evaluated(listen));
    assert!(rules.is_superset(&alerts().into_iter().map(|alert| alert.name).collect()), "{rules:?}");
    wait_for("the gateway is scraped", || {
        let (_, body) = http_get(listen, "/api/v1/targets")?;
        (body.contains("\"health\":\"up\"") && body.contains(&gateway.to_string())).then_some(())
    });

    let pid = rustix::process::Pid::from_raw(up.id() as i32).expect("a process id is not zero");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("our own process");
    let status = wait_for("its end", || up.try_wait().expect("our own process"));
    assert!(status.success(), "{status}");
    assert!(TcpStream::connect(listen).is_err(), "Prometheus is still there");
    let left: Vec<_> = std::fs::read_dir(directory.path()).expect("a directory").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Returns the names of all rules, once each has been evaluated.
fn evaluated(prometheus: SocketAddr) -> Option<BTreeSet<String>> {
    let (_, body) = http_get(prometheus, "/api/v1/rules")?;
    let answer: serde_json::Value = serde_json::from_str(&body).ok()?;
    let groups = answer["data"]["groups"].as_array()?;
    let rules: Vec<_> = groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
    let bad: Vec<_> = rules.iter().filter(|rule| rule["health"] == "err").collect();
    assert!(bad.is_empty(), "{bad:?}");
    let all = !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok");
    all.then(|| rules.iter().filter_map(|rule| rule["name"].as_str()).map(str::to_owned).collect())
}

#[test]
fn without_a_gateway_it_says_what_to_do() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = free.local_addr().expect("an address");
    drop(free);
    for (words, code, expected) in [
        (vec![nobody.to_string()], 1, "no gateway answers"),
        (vec!["gateway".to_owned()], 2, "is not HOST:PORT"),
        (vec!["a:1".to_owned(), "b:2".to_owned(), "c:3".to_owned()], 2, "there is only"),
    ] {
        let ended = Command::new(dashboards().join("up")).args(&words).output().expect("it starts");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}
