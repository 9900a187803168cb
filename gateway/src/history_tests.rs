//! Reading the exporter's text, and windows over several readings.

use runtime::clock;

use super::*;

/// Readings at these seconds.
pub(crate) fn readings(texts: &[(u64, &str)]) -> History {
    let (mut history, start) = (History::default(), clock::now());
    texts.iter().for_each(|(at_s, text)| history.read(text, start + Duration::from_secs(*at_s)));
    history
}

fn histogram(counts: [u32; 4]) -> String {
    let bounds = ["0.001", "0.01", "0.1", "+Inf"];
    // Not in order, as the exporter may have them.
    let line = |at: usize| format!("h_bucket{{le=\"{}\"}} {}\n", bounds[at], counts[at]);
    [2, 0, 3, 1].map(line).concat() + &format!("h_sum 9\nh_count {}\n", counts[3])
}

#[test]
fn a_series_has_a_name_labels_and_a_value() {
    let text = "# HELP a_total What.\n# TYPE a_total counter\na_total{region=\"6\",colour=\"red\"} 12\n\nb 0.5\n\
                c_bucket{le=\"+Inf\"} 3\nnothing\nd NaN-ish x\n";
    let history = History::of(text);
    let mut names: Vec<_> = history.series.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["a_total", "b", "c_bucket"]);
    let series = &history.series("a_total")[0];
    assert_eq!(series.labels().collect::<Vec<_>>(), [("region", "6"), ("colour", "red")]);
    assert_eq!((series.label("colour"), series.label("le")), (Some("red"), None));
    assert_eq!((history.sum("b"), history.series("b")[0].labels().count()), (0.5, 0));
    assert_eq!(history.series("c_bucket")[0].label("le"), Some("+Inf"));
    assert_eq!(history.series("a").len(), 0, "a name is the whole name");
    assert_eq!(history.within(60).grown("a_total", |_| true), 0.0, "one reading has no growth");
}

#[test]
fn counters_grow_and_later_series_began_at_nothing() {
    let before = "c{a=\"1\"} 10\nc{a=\"2\"} 7\n";
    let after = "c{a=\"1\"} 14\nc{a=\"2\"} 7\nc{a=\"3\"} 5\ng 8\nm 16\n";
    let history = readings(&[(0, before), (2, after)]);
    for window in [history.since_last(), history.within(60)] {
        assert_eq!(window.grown("c", |_| true), 4.0 + 5.0, "grown, new");
        assert_eq!(window.rate("c", |series| series.is("a", "1")), 2.0);
        assert_eq!(window.rate("none", |_| true), 0.0);
    }
    assert_eq!((history.share("g", "m"), history.share("g", "none")), (Some(0.5), None));
    assert_eq!((history.value("c", "a", "3"), history.value("c", "a", "9")), (5.0, 0.0));
}

#[test]
fn a_window_ends_now_and_begins_at_a_mark() {
    let texts: Vec<(u64, String)> = (0..500).map(|at| (at * 2, format!("c {}\n", at * 2))).collect();
    let texts: Vec<(u64, &str)> = texts.iter().map(|(at, text)| (*at, text.as_str())).collect();
    let history = readings(&texts);
    assert_eq!((history.marks.len(), history.series("c")[0].marks.len()), (MARKS_MAX, MARKS_MAX));
    for (within_s, seconds) in [(60, 58.0), (300, 298.0), (900, 898.0), (3_600, 898.0)] {
        let window = history.within(within_s);
        assert_eq!((window.seconds, window.grown("c", |_| true)), (seconds, seconds), "{within_s}");
    }
    assert_eq!(history.since_last().grown("c", |_| true), 2.0);
}

#[test]
fn quantiles_are_those_of_new_values() {
    let cases = [
        ("nothing new", [5, 5, 5, 5], 0.5, None),
        ("all in the first bucket", [15, 15, 15, 15], 0.5, Some(0.0005)),
        ("half of the second bucket", [5, 15, 15, 15], 0.5, Some(0.0055)),
        ("over two buckets", [10, 15, 15, 15], 0.5, Some(0.001)),
        ("beyond the last bound", [5, 5, 5, 15], 0.99, Some(0.1)),
    ];
    for (what, counts, share, expected) in cases {
        let (before, after) = (histogram([5; 4]), histogram(counts));
        let found = readings(&[(0, &before), (2, &after)]).since_last().quantile(share, "h");
        let near = match (found, expected) {
            (Some(found), Some(expected)) => f64::abs(found - expected) < 1e-9,
            (found, expected) => found == expected,
        };
        assert!(near, "{what}: {found:?}");
    }
    assert_eq!(History::default().since_last().quantile(0.5, "h"), None);
}

#[test]
fn a_mean_is_that_of_new_values() {
    let history = readings(&[(0, "h_sum 1\nh_count 4\n"), (2, "h_sum 3\nh_count 8\n")]);
    let window = history.since_last();
    assert_eq!((window.mean("h", |_| true), window.mean("none", |_| true)), (Some(0.5), None));
}
