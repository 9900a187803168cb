//! `[operators]`: where they are answered, and which group of users may come there. Without the section it is a socket in the data
//! directory that only its owner may open.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::Gid;

use super::reader::Table;

/// The system's list of groups.
const GROUPS: &str = "/etc/group";

/// The operators' socket as the file has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operators {
    /// Outside the data, which others than the gateway's user cannot enter.
    pub(crate) socket: Option<PathBuf>,
    /// A name or a number; none for the owner alone.
    pub(crate) group: Option<String>,
}

impl fmt::Display for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = self.socket.as_ref().map_or("in the data".into(), |socket| socket.display().to_string());
        write!(f, "{socket} for {}", self.group.as_deref().unwrap_or("the gateway's user"))
    }
}

impl Operators {
    pub(super) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let (socket, group) = (table.optional("socket"), table.optional("group"));
        table.end();
        Some(Self { socket, group })
    }

    /// The group that may speak there: that of the socket's directory, or one that the gateway's user is in.
    pub(crate) fn gid(&self) -> anyhow::Result<Option<Gid>> {
        let Some(group) = &self.group else { return Ok(None) };
        if let Ok(number) = group.parse() {
            return Ok(Some(Gid::from_raw(number)));
        }
        let groups = std::fs::read_to_string(GROUPS).with_context(|| format!("reading {GROUPS}"))?;
        match number_of(&groups, group) {
            Some(number) => Ok(Some(Gid::from_raw(number))),
            None => bail!("there is no group {group}; make it with `groupadd --system {group}`"),
        }
    }

    /// Refuses what a gateway would not start with.
    pub(crate) fn check(&self, data: &Path) -> anyhow::Result<()> {
        if let Some(socket) = &self.socket {
            let parent = socket.parent().filter(|parent| socket.is_absolute() && parent.is_dir());
            if parent.is_none() {
                bail!("{} lies in no directory that is there", socket.display());
            }
            // A start makes the socket anew in the place of what is there.
            let there = std::fs::symlink_metadata(socket).map(|there| there.file_type());
            if there.is_ok_and(|kind| kind.is_file() || kind.is_dir()) {
                bail!("{} is there and is no socket; name another place", socket.display());
            }
        }
        if self.group.is_some() && self.socket.as_ref().is_none_or(|socket| socket.starts_with(data)) {
            bail!(
                "a group cannot enter the data: name a socket elsewhere, such as /run/changtong/operators.sock"
            );
        }
        self.gid().map(drop)
    }
}

fn number_of(groups: &str, name: &str) -> Option<u32> {
    let row = groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|row| row[0] == name)?;
    row.get(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_name_or_its_number() {
        let groups = "root:x:0:\nchangtong:x:998:\nchangtong-operators:x:997:changtong,li-na\n";
        for (name, expected) in
            [("changtong-operators", Some(997)), ("changtong", Some(998)), ("operators", None), ("", None)]
        {
            assert_eq!(number_of(groups, name), expected, "{name}");
        }
        let group = |name: &str| Operators { socket: None, group: Some(name.to_owned()) };
        assert_eq!(group("12345").gid().unwrap(), Some(Gid::from_raw(12345)));
        assert!(group("no-such-group").gid().unwrap_err().to_string().contains("groupadd"));
        let refused = group("0").check(Path::new("/data")).unwrap_err().to_string();
        assert!(refused.contains("cannot enter the data"), "{refused}");
    }
}
