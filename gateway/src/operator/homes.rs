//! The check of paths in orders: symbolic links are resolved, and paths in the gateway's own directories are refused. The gateway's user
//! may read and write files there that no order may reach.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A directory of the gateway's own.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// The registry and the punch log.
    Data(PathBuf),
    /// Keys, or the device authority.
    Secrets(PathBuf),
}

/// Every home of a gateway.
pub(crate) fn homes(data: &Path, secrets: &[&Path]) -> Vec<Home> {
    let secrets = secrets.iter().map(|path| Home::Secrets(path.to_path_buf()));
    std::iter::once(Home::Data(data.to_owned())).chain(secrets).collect()
}

impl Home {
    fn path(&self) -> &Path {
        match self {
            Self::Data(path) | Self::Secrets(path) => path,
        }
    }
}

/// Follows a path to where it really leads, whatever links and dots are in it: into none of those homes.
pub(super) fn elsewhere(
    path: &Path,
    homes: &[Home],
    shut: impl Fn(&Home) -> bool,
) -> anyhow::Result<PathBuf> {
    let (true, Some(parent), Some(name)) = (path.is_absolute(), path.parent(), path.file_name()) else {
        bail!("{} names no place of the gateway's machine; give its whole path", path.display())
    };
    let really = |path: &Path| path.canonicalize().with_context(|| format!("looking for {}", path.display()));
    let found = if path.exists() { really(path)? } else { really(parent)?.join(name) };
    for home in homes.iter().filter(|home| shut(home)) {
        if home.path().exists() && found.starts_with(really(home.path())?) {
            bail!("{} is where the gateway lives; name a place elsewhere", path.display());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_leads_an_order_to_where_the_gateway_lives() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["data", "keys", "out", "there"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(at("data"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("keys/field.key"), at("out/holders.csv")).unwrap();
        std::fs::write(at("keys/field.key"), "a key").unwrap();
        let homes = [Home::Data(at("data")), Home::Secrets(at("keys")), Home::Secrets(at("none"))];
        let taken = |path: &Path| elsewhere(path, &homes, |_| true);
        for name in [
            "data",
            "data/b",
            "keys/b",
            "out/../data/b",
            "link",
            "link/b",
            "there/../link/b",
            "out/..",
            "out/holders.csv",
        ] {
            taken(&at(name)).expect_err(name);
        }
        taken(Path::new("out")).expect_err("from nowhere");
        taken(&at("nowhere/b")).expect_err("no such parent");
        let really = directory.path().canonicalize().unwrap();
        for (name, expected) in
            [("out/b", "out/b"), ("there", "there"), ("data/../out/b", "out/b"), ("database", "database")]
        {
            assert_eq!(taken(&at(name)).unwrap(), really.join(expected), "{name}");
        }
        let secrets = |home: &Home| matches!(home, Home::Secrets(_));
        elsewhere(&at("data/holders.csv"), &homes, secrets).unwrap();
        elsewhere(&at("out/holders.csv"), &homes, secrets).expect_err("a link to a key");
    }
}
