//! Another policy, from its file to the verdict at a gate that never reconnected, and refused policies.

use protocol::{Advice, Colour};
use tests::City;
use tests::people::{shown, somebody};

/// Writes the development city's policy with another version and changes to a file; returns its path.
fn file(city: &City, version: &str, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(city.data().join("policy.toml")).expect("the city's policy");
    for (from, to) in
        [("version = \"2020-02-24\"", format!("version = \"{version}\"").as_str())].iter().chain(changes)
    {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let path = city.data().join(format!("{version}.toml"));
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// Checks that every policy that was in effect is on record with its changes.
fn on_record(good: &impl Fn(&[&str]) -> String, milder: &str, told: &str) {
    let list = good(&["policy", "list"]);
    let versions: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(versions, ["2020-02-24", "told", "harder", "milder"], "{list}");
    assert!(list.contains("by the configuration") && list.contains("by chen-jie,liu-yang"), "{list}");
    assert_eq!(good(&["policy", "show"]), std::fs::read_to_string(milder).expect("the file"));
    assert_eq!(good(&["policy", "show", "told"]), std::fs::read_to_string(told).expect("the file"));
    assert!(good(&["audit", "verify"]).contains("3 decisions are as they were made"));
}

/// Checks after a kill that the newest policy is in effect again and that the configuration's other file is named.
fn after_a_kill(city: &mut City, green: u64, (milder, harder): (&str, &str)) {
    city.kill();
    let offline = city.command(&["policy", "diff", milder, harder]).1;
    assert!(offline.contains("yellow to red"), "{offline}");
    city.restart();
    assert_eq!(shown(city, green).0, Colour::Yellow);
    let log = city.log();
    assert!(log.contains("the configured policy file is not the policy in effect"), "{log}");
    assert!(log.contains("changtong policy activate FILE"), "{log}");
}

#[test]
fn a_policy_takes_effect_at_a_gate_without_a_restart_and_a_bad_one_does_not() {
    let mut city = City::start(400, 1);
    let (green, yellow) = (somebody(&city, "green"), somebody(&city, "yellow"));
    let key = |name: &str| city.data().join(format!("{name}.key")).display().to_string();
    let (admin, health) = (key("chen-jie"), key("liu-yang"));
    let original = city.data().join("policy.toml").display().to_string();
    let good = |words: &[&str]| {
        let (status, out, err) = city.command(words);
        assert!(status.success(), "{words:?}: {out}{err}");
        out
    };
    let refused = |words: &[&str], expected: &str| {
        let (status, out, err) = city.command(words);
        assert_eq!(status.code(), Some(2), "{words:?}: {out}{err}");
        assert!(err.contains(expected), "{words:?}: {err}");
    };
    let add = |name, role, key, signs: &[&str]| {
        let public_key = tests::operator_key(name, key);
        let words = ["operator", "add", name, "--authority", "cdc", "--role", role];
        good(&[&words[..], &["--public-key", &public_key], signs].concat())
    };
    let bosses = city.fleet().operators.iter().map(|key| key.display().to_string()).collect::<Vec<_>>();
    let both = ["--sign", bosses[0].as_str(), "--sign", &bosses[1]];
    add("chen-jie", "admin,health", &admin, &both);
    add("liu-yang", "health", &health, &both);
    let activate = |file: &str, signs: &[&str]| {
        let signs = signs.iter().flat_map(|key| ["--sign", key]);
        ["policy", "activate", file].into_iter().chain(signs).map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |list: Vec<String>| good(&list.iter().map(String::as_str).collect::<Vec<_>>());
    let fails = |list: Vec<String>, expected: &str| {
        refused(&list.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    };

    assert_eq!(shown(&city, yellow), (Colour::Yellow, Advice::AskStaff));
    let told = file(&city, "told", &[("yellow = \"ask-staff\"", "yellow = \"stop\"")]);
    let diff = good(&["policy", "diff", &original, &told]);
    assert!(diff.contains("what staff are told changes") && diff.contains("takes 2 operator(s)"), "{diff}");
    fails(activate(&told, &[&health]), "2 operator(s) with the role health");
    assert_eq!(shown(&city, yellow).1, Advice::AskStaff);
    let out = run(activate(&told, &[&health, &admin]));
    assert!(out.contains("Policy told is in effect"), "{out}");
    assert_eq!(shown(&city, yellow), (Colour::Yellow, Advice::Stop), "the gate's next scan");
    fails(activate(&told, &[&health, &admin]), "give a changed one a new version");

    let bad = file(&city, "bad", &[("red = \"stop\"", "red = \"pass\"")]);
    let line =
        std::fs::read_to_string(&bad).expect("the file").lines().position(|line| line == "red = \"pass\"");
    let place = format!("{bad}:{}: red is advised", line.expect("the line") + 1);
    fails(activate(&bad, &[&health, &admin]), &place);
    assert_eq!(shown(&city, yellow).1, Advice::Stop, "what was in effect still is");

    let today = policy::trajectory::day_of(runtime::clock::now_s());
    let until = policy::trajectory::days_after(today, 7).to_string();
    let number = green.to_string();
    good(&["cause", "add", "--code", &number, "--kind", "quarantine", "--until", &until, "--sign", &health]);
    assert_eq!(shown(&city, green), (Colour::Yellow, Advice::Stop));
    let quarantine = ("colour = \"yellow\"", "colour = \"red\"");
    let harder = file(&city, "harder", &[quarantine]);
    let diff = good(&["policy", "diff", &told, &harder]);
    assert!(diff.contains("yellow to red") && diff.contains("takes 2 operator(s)"), "{diff}");
    fails(activate(&harder, &[&admin]), "2 operator(s) with the role health");
    run(activate(&harder, &[&admin, &health]));
    assert_eq!(shown(&city, green), (Colour::Red, Advice::Stop), "its cause follows");
    assert_eq!(shown(&city, yellow), (Colour::Yellow, Advice::AskStaff), "it came with another system");
    let milder = file(&city, "milder", &[]);
    fails(activate(&milder, &[&health]), "2 operator(s) with the role health");
    run(activate(&milder, &[&health, &admin]));
    assert_eq!(shown(&city, green).0, Colour::Yellow, "a milder one, too");

    on_record(&good, &milder, &told);

    after_a_kill(&mut city, green, (&milder, &harder));
}
