//! The key directory: its refusals, and the rotation, which keeps the previous key.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use protocol::token::Token;
use protocol::{Class, CodeId};

use super::*;
use crate::ids::KeyMismatch;
use crate::tokens::TOKEN_KEYS_MAX;
use protocol::token::begins_with_space;

/// The time of a rotation.
const NOW_S: u64 = 1_600_000_000;
/// The moment of a key that is made then.
const GOOD_S: u64 = NOW_S + 3_600;

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
    assert_eq!(keys.current_token(NOW_S), 1);
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
        let Rotation { made: id, kept, dropped } = Keys::rotate_token(directory.path(), None, NOW_S).unwrap();
        assert_eq!((kept, dropped.len()), (before.current_token(NOW_S), before.tokens.len() - 2));
        let after = Keys::load(directory.path()).unwrap();
        assert_eq!(after.current_token(NOW_S), id);
        assert!(!begins_with_space(id), "texts of key {id} lose their first character to scanners");
        assert_eq!(after.tokens.len(), TOKEN_KEYS_MAX + 1);
        let token = Token { code: CodeId::issue(1, 5).unwrap(), issued_at_s: 9, class: Class::Person };
        let sealed = before.token_keys().get(before.current_token(NOW_S)).unwrap().seal(token);
        assert_eq!(after.token_keys().open(&sealed), Ok(token));
        before = after;
    }
}

fn load(directory: &tempfile::TempDir) -> Keys {
    Keys::load(directory.path()).unwrap()
}

#[test]
fn a_key_with_a_moment_opens_at_once_and_seals_from_then_on() {
    let directory = fresh();
    let made = Keys::rotate_token(directory.path(), Some(GOOD_S), NOW_S).unwrap();
    assert_eq!(made, Rotation { made: 2, kept: 1, dropped: vec![] });
    let keys = load(&directory);
    assert!(keys.token_keys().get(2).is_some(), "it opens");
    for (now_s, current) in [(0, 1), (NOW_S, 1), (GOOD_S - 1, 1), (GOOD_S, 2), (GOOD_S + 1, 2)] {
        assert_eq!(keys.current_token(now_s), current, "at {now_s}");
    }
    assert_eq!(keys.newest_token(), TokenFile { file: "token-2.key".to_owned(), good_from_s: Some(GOOD_S) });
    let status = Keys::status(directory.path()).unwrap();
    let pending = |now_s| status.iter().filter(|key| key.waits_until_s(now_s).is_some()).count();
    assert_eq!((status[2].good_from_s, pending(GOOD_S - 1), pending(GOOD_S)), (None, 1, 0));
    // Where only such keys are left, and the clock is far behind.
    std::fs::remove_file(directory.path().join("token-1.key")).unwrap();
    assert_eq!(load(&directory).current_token(0), 2);
}

#[test]
fn a_key_that_waits_for_its_moment_removes_none_that_may_have_sealed_lately_and_no_other_is_made() {
    let directory = fresh();
    let rotate = |good_from_s, now_s| Keys::rotate_token(directory.path(), good_from_s, now_s);
    let mut before = load(&directory);
    for n in 0..200 {
        let now_s = NOW_S + n * 7_200;
        let good_s = now_s + 3_600;
        let Rotation { made, kept, dropped } = rotate(Some(good_s), now_s).unwrap();
        let after = load(&directory);
        assert_eq!((kept, after.current_token(now_s)), (before.current_token(now_s), kept));
        assert_eq!((after.current_token(good_s), after.phone_ids().len()), (made, (n + 2).min(3) as usize));
        assert_eq!(dropped.len(), usize::from(n > 1));
        for id in &after.phone_ids()[..after.phone_ids().len() - 1] {
            assert!(before.phone_ids().contains(id), "{id} stays");
        }
        for good_from_s in [None, Some(good_s + 1)] {
            let refused = rotate(good_from_s, good_s - 1).unwrap_err().to_string();
            assert!(refused.contains(&format!("token-{made}.key is not good yet")), "{refused}");
        }
        assert_eq!(after.mismatch(&before.ids()), None);
        before = after;
    }
    let older = before.phone_ids()[0];
    std::fs::remove_file(directory.path().join(format!("token-{older}.key"))).unwrap();
    let gone = Some(KeyMismatch::Missing(format!("token-{older}.key")));
    assert_eq!(load(&directory).mismatch(&before.ids()), gone, "no rotation removed it");
    let at_once = rotate(None, NOW_S + 200 * 7_200).unwrap();
    assert_eq!(load(&directory).phone_ids(), [at_once.kept, at_once.made]);
    assert_eq!(load(&directory).mismatch(&before.ids()), None);
}

#[test]
fn a_file_that_a_crash_has_cut_off_is_no_key_without_its_moment() {
    let directory = fresh();
    Keys::rotate_token(directory.path(), Some(GOOD_S), NOW_S).unwrap();
    let path = directory.path().join("token-2.key");
    let whole = std::fs::read(&path).unwrap();
    // The last byte ends the line.
    for cut in 0..whole.len() - 1 {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let error = Keys::load(directory.path()).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }), "{cut}: {error}");
    }
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(load(&directory).newest_token().good_from_s, Some(GOOD_S));
    for wrong in ["good-from -1", "good-from", "good-from soon", "from 1"] {
        std::fs::write(&path, format!("{wrong}\n{}\n", "0".repeat(32))).unwrap();
        assert!(matches!(Keys::load(directory.path()), Err(KeyError::Malformed { .. })), "{wrong}");
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
