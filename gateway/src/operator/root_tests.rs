//! Root acts only where the data are its own.

use std::os::unix::fs::{PermissionsExt, chown};

use keys::Keys;

use super::{Act, call};
use crate::config::named::At;
use crate::host::owner::{User, refuse_root};

const SOMEBODY: u32 = 12_345;

#[test]
fn root_does_not_act_in_the_data_of_somebody_else_and_names_what_they_cannot_read() {
    let directory = tempfile::tempdir().unwrap();
    let (data, keys) = (directory.path().join("data"), directory.path().join("keys"));
    std::fs::create_dir(&data).unwrap();
    Keys::init(&keys).unwrap();
    let key = keys.join("field.key");
    let at = At { data: Some(data.clone()), keys: Some(keys.clone()), config: None };
    let act = || call(&at.find().unwrap(), &Act::Begin, &mut |_| true);
    assert!(User::of(&data).is_none() && refuse_root(&data).is_ok());
    act().unwrap();
    if !rustix::process::geteuid().is_root() {
        // Only root can change the owner of a file.
        chown(&data, Some(SOMEBODY), None).expect_err("root alone may");
        return;
    }
    chown(&data, Some(SOMEBODY), None).unwrap();
    let refused = act().map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("belongs to user 12345") && refused.contains("runuser"), "{refused}");
    let user = User::of(&data).unwrap();
    assert!(user.cannot_read(&key).unwrap().contains("field.key belongs to root"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(user.cannot_read(&key), None, "others may read it");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    chown(&key, Some(SOMEBODY), None).unwrap();
    assert_eq!(user.cannot_read(&key), None);
    assert_eq!(user.cannot_read(&keys.join("none.key")), None);
}
