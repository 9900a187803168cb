//! Root beside the gateway's user: root reads and writes everything, and so does not see what that user cannot. Whose the data are
//! tells who that user is; nothing is changed here.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::bail;

/// Permissions of anybody but the owner.
const OTHERS: u32 = 0o077;

/// The user that a gateway runs as, as root sees it.
pub(crate) struct User {
    uid: u32,
}

impl User {
    /// Whose the data are, if this process is root's and they are not.
    pub(crate) fn of(data: &Path) -> Option<Self> {
        let uid = std::fs::metadata(data).ok()?.uid();
        (rustix::process::geteuid().is_root() && uid != 0).then_some(Self { uid })
    }

    /// Why that user cannot open a secret, if they cannot: it is for its owner alone.
    pub(crate) fn cannot_read(&self, path: &Path) -> Option<String> {
        let shut = std::fs::metadata(path).ok()?.mode() & OTHERS == 0;
        self.is_other(path).filter(|_| shut).map(|said| said + "read it: chown it to that user")
    }

    /// Why that user cannot go on with a file of the data, if they cannot.
    pub(crate) fn cannot_write(&self, path: &Path) -> Option<String> {
        self.is_other(path).map(|said| said + "write it: chown it to that user")
    }

    fn is_other(&self, path: &Path) -> Option<String> {
        let uid = std::fs::metadata(path).ok()?.uid();
        let owner = if uid == 0 { "root".to_owned() } else { format!("user {uid}") };
        (uid != self.uid)
            .then(|| format!("{} belongs to {owner}; the gateway's user cannot ", path.display()))
    }
}

/// Refuses to act as root where the files that are made belong to another user.
pub(crate) fn refuse_root(data: &Path) -> anyhow::Result<()> {
    let Some(User { uid }) = User::of(data) else { return Ok(()) };
    bail!(
        "{} belongs to user {uid}, who could not read what root leaves there: do it as that user, `runuser -u changtong -- …`",
        data.display()
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use keys::Keys;

    use super::*;
    use crate::admin::{self, Act};
    use crate::named::At;

    const SOMEBODY: u32 = 12_345;

    #[test]
    fn root_does_not_act_in_the_data_of_somebody_else_and_names_what_they_cannot_read() {
        let directory = tempfile::tempdir().unwrap();
        let (data, keys) = (directory.path().join("data"), directory.path().join("keys"));
        std::fs::create_dir(&data).unwrap();
        Keys::init(&keys).unwrap();
        let key = keys.join("field.key");
        let at = At { data: Some(data.clone()), keys: Some(keys.clone()), config: None };
        let act = || admin::call(&at.find().unwrap(), &Act::Begin, &mut |_| true);
        assert!(User::of(&data).is_none() && refuse_root(&data).is_ok());
        act().unwrap();
        if !rustix::process::geteuid().is_root() {
            // Nobody else can give files away.
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
}
