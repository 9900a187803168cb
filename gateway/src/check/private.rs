//! The checks of the device authority's directory: another user with write access could replace the authority, and one who can read its
//! key can sign in its name. Each fault comes with the command that mends it.

use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::host::owner::User;
use crate::tls::pki;

/// Permission bits of others than the owner: to write …
const WRITE: u32 = 0o022;
/// … and to do anything.
const ANY: u32 = 0o077;
/// A key in PEM says what it is in its first lines.
const HEAD_BYTES: u64 = 4096;
const PRIVATE: &[u8] = b"PRIVATE KEY-----";

/// Everything that is wrong with who may do what there. `data` belong to the gateway's user.
pub(super) fn faults(authority: &Path, data: &Path) -> Vec<String> {
    let Ok(directory) = std::fs::metadata(authority) else { return Vec::new() };
    let mut faults = Vec::new();
    if directory.mode() & WRITE != 0 {
        faults.push(format!(
            "{0} has mode {1:04o}: others may put another authority there; `chmod go-w {0}` shuts it",
            authority.display(),
            directory.mode() & 0o7777
        ));
    }
    faults.extend(stranger(authority, &directory, data));
    // The authority's own key is read, and refused, with its certificate.
    let own = pki::key_of(authority);
    let entries = std::fs::read_dir(authority).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut open: Vec<PathBuf> = entries.filter(|path| *path != own && is_open_key(path)).collect();
    open.sort_unstable();
    faults.extend(open.iter().map(|path| {
        format!("{0} is a private key that others may get at; `chmod 0600 {0}` shuts it", path.display())
    }));
    faults
}

/// Returns the fault of a directory whose owner is neither the gateway's user nor root.
fn stranger(authority: &Path, directory: &Metadata, data: &Path) -> Option<String> {
    let user = std::fs::metadata(data).ok()?.uid();
    let is_said = User::of(data).is_some_and(|user| user.cannot_read(authority).is_some());
    (directory.uid() != user && directory.uid() != 0 && !is_said).then(|| {
        format!(
            "{0} belongs to user {1}, who may put another authority there; `chown {user} {0}` gives it to the gateway's user",
            authority.display(),
            directory.uid()
        )
    })
}

fn is_open_key(path: &Path) -> bool {
    let mut head = Vec::new();
    let is_open = std::fs::metadata(path).is_ok_and(|kind| kind.is_file() && kind.mode() & ANY != 0);
    let read = is_open
        && std::fs::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head)).is_ok();
    read && head.windows(PRIVATE.len()).any(|part| part == PRIVATE)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;
    use crate::tls::pki::Authority;

    #[test]
    fn a_directory_or_a_key_that_is_open_to_others_is_told_with_the_command_that_shuts_it() {
        let directory = tempfile::tempdir().unwrap();
        let (data, authority) = (directory.path().join("data"), directory.path().join("authority"));
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for made in [&data, &authority] {
            std::fs::create_dir(made).unwrap();
        }
        assert!(faults(&directory.path().join("none"), &data).is_empty(), "its files are missed elsewhere");
        let issued = Authority::create(&authority).unwrap().issue_server(&["localhost".to_owned()]).unwrap();
        let key = authority.join("server.key");
        std::fs::write(&key, issued.key.as_bytes()).unwrap();
        std::fs::write(authority.join("server.pem"), issued.certificate).unwrap();
        for (of_directory, of_key, expected) in [
            (0o700, 0o600, &[][..]),
            (0o755, 0o600, &[]),
            (0o775, 0o600, &["`chmod go-w "]),
            (0o707, 0o600, &["`chmod go-w "]),
            (0o700, 0o640, &["server.key is a private key", "`chmod 0600 "]),
            (0o777, 0o644, &["`chmod go-w ", "`chmod 0600 "]),
        ] {
            mode(&authority, of_directory);
            mode(&key, of_key);
            let said = faults(&authority, &data).join("\n");
            assert!(expected.iter().all(|part| said.contains(part)), "{of_directory:o} {of_key:o}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{said}");
        }
        mode(&authority, 0o755);
        mode(&key, 0o600);
        if rustix::process::geteuid().is_root() {
            chown(&authority, Some(12_345), None).unwrap();
            let said = faults(&authority, &data).join("\n");
            assert!(said.contains("belongs to user 12345") && said.contains("`chown 0 "), "{said}");
        }
    }
}
