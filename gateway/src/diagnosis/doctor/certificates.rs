//! The checks of certificates: validity of the gateway's, the pages' and the device authority's, and whether the authority can sign.

use std::path::{Path, PathBuf};

use crate::config::Settings;
use crate::finding::Finding;
use crate::tls::pki::{self, Authority};

const DAY_S: u64 = 86_400;
/// Less than that is a warning, as in the alert.
const DAYS_LOW: u64 = alerts::CERTIFICATE_TICKET_S as u64 / DAY_S;
const ID: &str = "certificate-expiry";

pub(super) fn examine(settings: &Settings, now_s: u64) -> Vec<Finding> {
    let mut files: Vec<(&str, PathBuf)> = vec![
        ("the gateway's certificate", settings.certificate.clone()),
        ("the device authority's certificate", settings.authority.join("ca.pem")),
    ];
    let pages = settings.pages.as_ref().and_then(|pages| pages.certificate.clone());
    files.extend(pages.map(|certificate| ("the pages' certificate", certificate)));
    let mut findings: Vec<Finding> = files.iter().map(|(whose, file)| left(whose, file, now_s)).collect();
    findings.push(authority(&settings.authority));
    findings
}

fn left(whose: &str, file: &Path, now_s: u64) -> Finding {
    let ends_s = match pki::not_after_s(file) {
        Ok(ends_s) => ends_s,
        Err(error) => return Finding::fail(ID, format!("{whose}: {error:#}"), "restore it from a copy"),
    };
    let days = ends_s.saturating_sub(now_s) / DAY_S;
    match days {
        _ if ends_s <= now_s => Finding::fail(
            ID,
            format!("{whose} has expired"),
            "put a new one in its place (the gateway's own: `changtong authority server --renew`) and run `changtong reload`: nobody connects with this one",
        ),
        ..DAYS_LOW => Finding::warn(
            ID,
            format!("{whose} ends in {days} days"),
            "order a new one now; the gateway's own is made by `changtong authority server --renew` and taken by `changtong reload`",
        ),
        _ => Finding::ok(ID, format!("{whose} is good for {days} days")),
    }
}

fn authority(directory: &Path) -> Finding {
    const ID: &str = "authority-missing";
    match Authority::load(directory) {
        Ok(_) => Finding::ok(ID, "the device authority can sign"),
        Err(error) => Finding::fail(
            ID,
            format!("{error:#}"),
            "restore the authority from the safe: without it no device is enrolled or renewed",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    #[test]
    fn a_certificate_is_told_of_a_month_before_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::create(directory.path()).unwrap();
        let identity = authority.issue_server(&["localhost".to_owned()]).unwrap();
        let file = directory.path().join("server.pem");
        std::fs::write(&file, identity.certificate).unwrap();
        let ends_s = pki::not_after_s(&file).unwrap();
        for (now_s, expected) in [
            (ends_s - 60 * DAY_S, State::Ok),
            (ends_s - DAYS_LOW * DAY_S, State::Ok),
            (ends_s - DAYS_LOW * DAY_S + 1, State::Warn),
            (ends_s - 1, State::Warn),
            (ends_s, State::Fail),
            (ends_s + DAY_S, State::Fail),
        ] {
            let finding = left("it", &file, now_s);
            assert_eq!((finding.id, finding.state), (ID, expected), "{}", finding.what);
        }
        assert_eq!(left("it", &directory.path().join("none.pem"), 0).state, State::Fail);
        assert_eq!(super::authority(directory.path()).state, State::Ok);
        std::fs::remove_file(directory.path().join("ca.key")).unwrap();
        assert_eq!(super::authority(directory.path()).state, State::Fail);
    }
}
