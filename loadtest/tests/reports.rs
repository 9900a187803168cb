//! Every form of a run's report, from made-up runs: the JSON file against its schema, the page and the tables. The computation of
//! figures is tested with its code.
#![allow(clippy::unwrap_used, reason = "a test says what failed by panicking")]

mod sample;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use loadtest::outcome::{Exit, REPORT_FILE, Report, Verdict};
use loadtest::record::hlog::{self, Interval};
use loadtest::report::{html, scenario};
use serde_json::Value;

const PAGE_BYTES_MAX: usize = 300 * 1024;

#[test]
fn a_report_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let report = sample::report(60, false);
    let path = report.write(folder.path()).unwrap();
    assert_eq!(path, folder.path().join(REPORT_FILE));
    let back = Report::read(&path).unwrap();
    let values = [&back, &report].map(|report| serde_json::to_value(report).unwrap());
    assert!(same(&values[0], &values[1]));
}

/// Returns true if two values are the same but for the last digit of a number.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(ones), Value::Array(others)) => {
            ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| same(one, other))
        }
        (Value::Object(ones), Value::Object(others)) => {
            ones.len() == others.len()
                && ones.iter().all(|(key, one)| others.get(key).is_some_and(|other| same(one, other)))
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-12
        }
        (one, other) => one == other,
    }
}

#[test]
fn what_is_no_report_of_this_version_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(REPORT_FILE);
    assert!(Report::read(&path).unwrap_err().to_string().contains("loadtest run"));
    for (text, expected) in [
        ("{\"version\": 99, \"other\": 1}", "has layout 99 and this program reads 1"),
        ("{\"version\": 1}", "is no report: missing field"),
        ("nonsense", "is no report: expected"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Report::read(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// Returns the output of Debian's JSON schema validator: empty if the file is valid.
fn validate(file: &Path) -> String {
    let script = "import json, sys, jsonschema\n\
        schema, report = (json.load(open(path)) for path in sys.argv[1:])\n\
        jsonschema.Draft202012Validator.check_schema(schema)\n\
        for error in jsonschema.Draft202012Validator(schema).iter_errors(report): print(error.message)";
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("report.schema.json");
    let output = Command::new("python3").arg("-c").arg(script).arg(schema).arg(file).output();
    let output = output.expect("python3 is here; tests/run installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_foreign_validator_finds_the_report_valid_and_a_wrong_one_not() {
    let folder = tempfile::tempdir().unwrap();
    for good in [true, false] {
        let path = sample::report(30, good).write(folder.path()).unwrap();
        assert_eq!(validate(&path), "");
    }
    let wrong = |change: fn(&mut Value)| {
        let mut report = serde_json::to_value(sample::report(3, true)).unwrap();
        change(&mut report);
        let path = folder.path().join("wrong.json");
        std::fs::write(&path, report.to_string()).unwrap();
        validate(&path)
    };
    assert!(wrong(|report| report["surprise"] = 1.into()).contains("surprise"));
    assert!(wrong(|report| report["run"]["seed"] = "seven".into()).contains("seven"));
    assert!(
        wrong(|report| report["total"]["teleport"] = report["total"]["punch"].clone()).contains("teleport")
    );
    assert!(wrong(|report| report["verdict"]["exit"] = "fine".into()).contains("fine"));
}

#[test]
fn the_page_of_an_hour_is_small_and_asks_nobody() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (seconds, good, name) in [(3600, false, "hour"), (60, true, "minute"), (1, true, "second")] {
        let page = html::page(&sample::report(seconds, good));
        std::fs::write(folder.join(format!("report-{name}.html")), &page).unwrap();
        assert!(page.len() <= PAGE_BYTES_MAX, "{name}: {} bytes", page.len());
        for word in ["http", "src=", "<script", "@import", "url(", "NaN", "inf%"] {
            assert!(!page.contains(word), "{name} has {word}");
        }
    }
}

#[test]
fn a_page_stays_small_when_everything_is_much() {
    let mut report = sample::report(3600, false);
    let (event, stage, series) =
        (report.events[0].clone(), report.stages[1].clone(), report.server[0].clone());
    report.events = vec![event; 500];
    report.stages = vec![stage; 100];
    report.server = vec![series; 100];
    report.proof.leaked = vec!["红".repeat(10_000); 1_000];
    report.verdict.reasons = vec!["绿".repeat(10_000); 1_000];
    let page = html::page(&report);
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-much.html"), &page).unwrap();
    assert!(page.len() <= PAGE_BYTES_MAX, "{} bytes", page.len());
    assert!(page.contains("more in report.json"));
}

#[test]
fn every_element_of_the_page_is_closed_and_every_drawing_is_named() {
    let page = html::page(&sample::report(120, false));
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag}");
        } else if !["meta", "!DOCTYPE"].contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    let count = |what: &str| page.matches(what).count();
    assert!(count("role=\"img\"") >= 14);
    assert_eq!(count("role=\"img\""), count("<desc "));
    assert_eq!(count("<table"), count("<caption"));
}

#[test]
fn texts_from_outside_stay_texts() {
    let mut report = sample::report(60, false);
    let bad = "<script>alert(\"x\")</script>&";
    report.scenario.name = bad.to_owned();
    report.stages[1].name = bad.to_owned();
    report.events[0].what = bad.to_owned();
    report.server[0].name = bad.to_owned();
    report.run.command = bad.to_owned();
    report.verdict.reasons.push(bad.to_owned());
    let page = html::page(&report);
    assert!(!page.contains("<script") && page.matches("&lt;script&gt;").count() >= 6);
}

#[test]
fn every_verdict_is_said_in_words_on_page_and_paper() {
    for (exit, words) in [
        (Exit::Pass, "Monday holds"),
        (Exit::Threshold, "Monday would be too slow"),
        (Exit::Invalid, "This run says nothing about Monday"),
        (Exit::Correctness, "Monday does not hold"),
    ] {
        let mut report = sample::report(60, true);
        let reason = "something is wrong".to_owned();
        report.verdict = Verdict { exit, code: exit.code(), reasons: vec![reason.clone()] };
        for text in [html::page(&report), scenario::text(&report, &[])] {
            assert!(text.contains(words) && text.contains(&reason), "{exit:?}");
        }
    }
}

#[test]
fn a_drill_that_went_as_expected_says_nothing_about_monday() {
    let mut report = sample::report(60, true);
    report.scenario.name = "disk-full".to_owned();
    report.verdict = Verdict { exit: Exit::Pass, code: 0, reasons: Vec::new() };
    for text in [html::page(&report), scenario::text(&report, &[])] {
        assert!(text.contains("As expected"), "{text}");
        assert!(!text.contains("Monday") && !text.contains("weekend"), "{text}");
    }
}

#[test]
fn what_broke_first_is_named_with_its_moment() {
    let report = sample::report(1000, false);
    for text in [html::page(&report), scenario::text(&report, &[])] {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected =
            "9 min 11 s, in stage rush, after “carrier red-wing answers after 3,000 ms” at 9 min 10 s";
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_tables_fit_a_hundred_columns_and_end_with_the_files() {
    for good in [true, false] {
        let mut report = sample::report(3600, good);
        report.stages[1].name = "a stage with a very long name indeed".to_owned();
        let text = scenario::text(&report, &["out/report.json".into(), "out/report.html".into()]);
        println!("{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        assert!(text.ends_with("  out/report.json\n  out/report.html\n"));
    }
}

/// Makes a run's directory in which every verify took `ms`.
fn folder(ms: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    sample::report(60, true).write(folder.path()).unwrap();
    let interval = |second| {
        let mut histogram = hdrhistogram::Histogram::new(3).unwrap();
        histogram.record_n(ms * 1000 + second, 100).unwrap();
        Interval::new(Duration::from_secs(second), Duration::from_secs(1), "verify".to_owned(), &histogram)
    };
    let log = hlog::write("a test", 0, 1000.0, &(0..60).map(interval).collect::<Vec<_>>());
    std::fs::write(folder.path().join("intervals.hlog"), log).unwrap();
    folder
}

#[test]
fn folders_are_compared_from_the_command_line() {
    let (fast, slow, empty) = (folder(10), folder(20), tempfile::tempdir().unwrap());
    let run = |arguments: Vec<&str>| {
        let output = Command::new(env!("CARGO_BIN_EXE_loadtest")).arg("compare").args(arguments).output();
        let output = output.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    };
    let [fast, slow, empty] = [&fast, &slow, &empty].map(|folder| folder.path().to_str().unwrap());
    for (arguments, code, expected) in [
        (vec![fast, slow], 99, "B is worse"),
        (vec![slow, fast], 0, "B is better"),
        (vec!["--a", fast, "--a", fast, "--b", fast], 0, "no difference of more than 5 % is shown"),
        (vec![fast, slow, "--json"], 99, "\"verdict\": \"worse\""),
        (vec![fast], 2, "2 values required"),
        (vec!["--a", fast], 2, "--b"),
        (vec![fast, slow, "--margin=-1"], 2, "must be 0 to 1000"),
    ] {
        let (found, text) = run(arguments);
        assert!(found == code && text.contains(expected), "{found} of {code}: {text}");
    }
    let (code, text) = run(vec![fast, empty]);
    assert!(code != 0 && text.contains("name a folder that `loadtest run` wrote"), "{code}: {text}");
}
