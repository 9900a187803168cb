//! The key directory: its refusals, and the rotation, which keeps the previous key.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use protocol::token::Token;
use protocol::{Class, CodeId};

use super::*;

fn fresh() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    Keys::init(directory.path()).unwrap();
    directory
}

#[test]
fn what_init_makes_loads_and_is_private() {
    let directory = fresh();
    let keys = Keys::load(directory.path()).unwrap();
    assert_eq!(keys.current_token(), 1);
    assert!(keys.token_keys().get(PAPER_KEY_ID_MIN).is_some());
    assert_ne!(keys.pepper(), keys.field());
    assert!(Keys::days(directory.path()).is_dir());
    for status in Keys::status(directory.path()).unwrap() {
        assert_eq!(status.problem, None, "{}", status.file);
        let mode = std::fs::metadata(directory.path().join(&status.file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", status.file);
    }
    assert!(matches!(Keys::init(directory.path()), Err(KeyError::Exists { .. })));
}

#[test]
fn each_file_is_refused_when_others_may_read_it_when_missing_and_when_damaged() {
    let directory = fresh();
    let files: Vec<String> =
        Keys::status(directory.path()).unwrap().into_iter().map(|status| status.file).collect();
    assert_eq!(files.len(), 7);
    for name in &files {
        let path = directory.path().join(name);
        for mode in [0o640, 0o604, 0o620, 0o666] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = Keys::load(directory.path()).unwrap_err();
            assert!(matches!(error, KeyError::Open { .. }), "{name} {mode:o}: {error}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let good = std::fs::read(&path).unwrap();
        for damaged in [&b""[..], b"zz", &good[..good.len() / 2], b"00 11"] {
            std::fs::write(&path, damaged).unwrap();
            let error = Keys::load(directory.path()).unwrap_err();
            assert!(matches!(error, KeyError::Malformed { .. }), "{name}: {error}");
        }
        std::fs::remove_file(&path).unwrap();
        let error = Keys::load(directory.path()).unwrap_err();
        assert!(matches!(error, KeyError::Missing { .. }), "{name}: {error}");
        file::write(&path, &good).unwrap();
        Keys::load(directory.path()).unwrap();
    }
}

#[test]
fn rotation_keeps_the_previous_key_and_goes_round() {
    let directory = fresh();
    let mut before = Keys::load(directory.path()).unwrap();
    for _ in 0..300 {
        let Rotation { made: id, kept, dropped } = Keys::rotate_token(directory.path()).unwrap();
        assert_eq!((kept, dropped.len()), (before.current_token(), before.tokens.len() - 2));
        let after = Keys::load(directory.path()).unwrap();
        assert_eq!(after.current_token(), id);
        assert!(!begins_with_space(id), "texts of key {id} lose their first character to scanners");
        assert_eq!(after.tokens.len(), TOKEN_KEYS_MAX + 1);
        let token = Token { code: CodeId::issue(1, 5).unwrap(), issued_at_s: 9, class: Class::Person };
        let sealed = before.token_keys().get(before.current_token()).unwrap().seal(token);
        assert_eq!(after.token_keys().open(&sealed), Ok(token));
        before = after;
    }
}

#[test]
fn nothing_of_a_key_is_shown() {
    let directory = fresh();
    let keys = Keys::load(directory.path()).unwrap();
    let shown = format!("{keys:?} {:?}", Keys::status(directory.path()).unwrap());
    assert!(!shown.contains(&hex::encode(keys.pepper())));
}

#[test]
fn a_directory_of_keys_that_others_may_look_into_is_refused() {
    let directory = fresh();
    let days = Keys::days(directory.path());
    for path in [directory.path(), &days] {
        for mode in [0o755, 0o710, 0o701] {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            let refused = Keys::load(directory.path()).unwrap_err().to_string();
            assert!(refused.contains(&path.display().to_string()) && refused.contains("0700"), "{refused}");
        }
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    }
    Keys::load(directory.path()).unwrap();
    let day = days.join("2020-02-20.key");
    std::fs::write(&day, "0".repeat(64)).unwrap();
    std::fs::set_permissions(&day, Permissions::from_mode(0o640)).unwrap();
    let refused = Keys::check_days(directory.path()).unwrap_err().to_string();
    assert!(refused.contains("2020-02-20.key") && refused.contains("0600"), "{refused}");
    std::fs::set_permissions(&day, Permissions::from_mode(0o600)).unwrap();
    Keys::check_days(directory.path()).unwrap();
}
