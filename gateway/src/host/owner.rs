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
