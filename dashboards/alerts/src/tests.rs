//! Each alert is complete, and the runbooks have a section for it.

use std::collections::BTreeSet;

use super::*;

#[test]
fn ids_are_unique_and_texts_are_complete() {
    let mut seen = BTreeSet::new();
    for Alert { id, severity, summary, meaning, shown, .. } in all() {
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{id}");
        assert!(seen.insert((id, severity)), "{id} is there twice");
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{id}: {summary}");
        assert!(meaning.ends_with('.'), "{id}: {meaning}");
        let said = match shown {
            Shown::Nowhere(reason) => reason.len() > 20,
            Shown::Overview(action) => !action.is_empty(),
            Shown::Doctor { well, action, .. } => !well.is_empty() && !action.is_empty(),
        };
        assert!(said, "{id}");
    }
    assert_eq!(find("certificate-expiry").map(|alert| alert.severity), Some(Severity::Page));
}

#[test]
fn only_prometheus_is_asked_for_what_only_it_can_judge() {
    for Alert { id, condition, shown, .. } in all() {
        let needs_prometheus = matches!(condition, Condition::Query(_));
        assert!(!needs_prometheus || matches!(shown, Shown::Nowhere(_)), "{id}");
    }
}

#[test]
fn an_alert_says_what_is_promised() {
    let mut objectives = 0;
    for Alert { summary, meaning, condition, .. } in all() {
        let Condition::Burns(objective) = condition else { continue };
        objectives += 1;
        let promised = objective.promised();
        assert!(meaning.contains(&promised), "{promised}: {meaning}");
        let Bad::SlowerThan { limit_ms, .. } = objective.bad else { continue };
        let limit = format!("{limit_ms} ms");
        for text in [summary, meaning] {
            assert!(text.ends_with(&limit) || text.contains(&format!("{limit} ")), "{limit}: {text}");
        }
    }
    assert_eq!(objectives, 4);
}

#[test]
fn every_alert_has_its_section_and_no_more() {
    for alert in all() {
        let text = section(alert.id).unwrap_or_else(|| panic!("{} has no section", alert.id));
        assert!(text.starts_with(&format!("## {}\n", alert.id)) && text.len() > 100, "{text}");
        assert_eq!(text.matches("\n## ").count(), 0, "{text}");
    }
    assert_eq!((section("no-such-alert"), section("punches-los")), (None, None));
    assert_eq!(link("https://example.org/", "punches-lost"), "https://example.org/punches.md#punches-lost");
    assert_eq!(link(RUNBOOKS, "keys-wrong"), "dashboards/runbooks/checks.md#keys-wrong");
}
