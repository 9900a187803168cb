//! Which gateway a command is for: the one way to name it, the same for every command. A configuration says where everything of a
//! gateway is; without one its data do, or its operators' socket. Nothing is made here, and nothing is guessed that is not there.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::config;
use crate::config::Settings;

/// The data that are looked for where nothing is named: those of the development city.
pub(crate) const DATA: &str = "./changtong-data";
/// Names a configuration for every command that is given none.
pub(crate) const VARIABLE: &str = "CHANGTONG_CONFIG";
/// The package's configuration, and the socket in it.
const PACKAGE_CONFIG: &str = "/etc/changtong/changtong.toml";
const PACKAGE_SOCKET: &str = "/run/changtong/operators.sock";
/// The socket that a gateway leaves in its data.
pub(crate) const SOCKET: &str = "admin.sock";

/// Which gateway.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct At {
    /// The gateway's configuration, which says where everything of it is. CHANGTONG_CONFIG in the environment says it for all
    /// commands that name no gateway; without either it is the development city in ./changtong-data, then the package's
    /// /etc/changtong/changtong.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The gateway's data, or its operators' socket, for whom no configuration is there to read.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The gateway's keys, where only its data are named; of a development city, those in its data.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) keys: Option<PathBuf>,
}

/// The error for a gateway that is not there, or not yet: a command may wait for it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotThere(String);

impl NotThere {
    pub(crate) fn error(what: String) -> anyhow::Error {
        Self(what).into()
    }
}

/// The place where a gateway is that was named.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// Its data; the socket, where that alone is known.
    pub(crate) data: PathBuf,
    /// `None` if no directory of keys was named, and the data hold none.
    keys: Option<PathBuf>,
    /// The place where it is spoken to while it runs.
    pub(crate) socket: PathBuf,
    /// The file that says so.
    pub(crate) config: Option<PathBuf>,
}

impl At {
    /// Finds the gateway's paths. Does not check that they exist: see [`Named::there`].
    pub(crate) fn find(&self) -> anyhow::Result<Named> {
        self.check_one_way()?;
        let named = match (&self.config, &self.data) {
            (Some(config), _) => Named::by_config(config)?,
            (None, Some(data)) => Named::by_data(data),
            (None, None) => match config_in_environment() {
                Some(config) => {
                    Named::by_config(&config).with_context(|| format!("{VARIABLE} names the gateway"))?
                }
                None => usual()?,
            },
        };
        named.with_keys(self.keys.as_deref())
    }

    /// Reports whether the place of the data was named; with `--keys` alone it was not.
    pub(crate) fn names_data(&self) -> bool {
        self.data.is_some() || (self.by_file().is_some() && self.keys.is_none())
    }

    /// True if the command line names one.
    pub(crate) fn is_given(&self) -> bool {
        self.config.is_some() || self.data.is_some()
    }

    /// The configuration, if it is one that names the gateway.
    pub(crate) fn file(&self) -> anyhow::Result<Option<PathBuf>> {
        self.check_one_way()?;
        Ok(self.by_file())
    }

    /// Refuses two gateways in one command. What stands in it comes before the environment.
    fn check_one_way(&self) -> anyhow::Result<()> {
        if self.config.is_some() && self.data.is_some() {
            bail!("name the gateway by --config or by --data, not by both");
        }
        Ok(())
    }

    fn by_file(&self) -> Option<PathBuf> {
        match (&self.config, &self.data) {
            (Some(config), _) => Some(config.clone()),
            (None, Some(_)) => None,
            (None, None) => {
                config_in_environment().or_else(|| (!Path::new(DATA).exists()).then(package_config).flatten())
            }
        }
    }

    /// The directory of the keys, whether a gateway has been there or not.
    pub(crate) fn keys(&self) -> anyhow::Result<PathBuf> {
        self.keys.clone().map_or_else(|| self.find()?.keys(), Ok)
    }
}

/// Finds a gateway in the usual places, for a command that names none.
fn usual() -> anyhow::Result<Named> {
    if Path::new(DATA).exists() {
        return Ok(Named::by_data(Path::new(DATA)));
    }
    if let Some(config) = package_config() {
        return Named::by_config(&config);
    }
    if is_socket(Path::new(PACKAGE_SOCKET)) {
        return Ok(Named::by_data(Path::new(PACKAGE_SOCKET)));
    }
    Err(NotThere::error(format!(
        "no gateway is named, and there is no {DATA} here: name it with --config FILE, or with {VARIABLE} in the environment, or its \
         data with --data"
    )))
}

/// The package's configuration, for those who may read it.
fn package_config() -> Option<PathBuf> {
    std::fs::File::open(PACKAGE_CONFIG).ok().map(|_| PathBuf::from(PACKAGE_CONFIG))
}

/// The configuration that the environment names.
pub(crate) fn config_in_environment() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|kind| kind.file_type().is_socket())
}

impl Named {
    /// The gateway that has these settings.
    pub(crate) fn of(settings: &Settings) -> Self {
        let own = settings.data.join(SOCKET);
        Self {
            data: settings.data.clone(),
            keys: Some(settings.keys.clone()),
            socket: settings.operators.socket.clone().unwrap_or(own),
            config: None,
        }
    }

    fn by_config(file: &Path) -> anyhow::Result<Self> {
        let file = std::path::absolute(file).with_context(|| format!("{} is no path", file.display()))?;
        let config::Whereabouts { data, keys, socket } = config::whereabouts(&file)?;
        let socket = socket.unwrap_or_else(|| data.join(SOCKET));
        Ok(Self { data, keys, socket, config: Some(file) })
    }

    /// A gateway by its data; the socket itself may be named instead.
    fn by_data(data: &Path) -> Self {
        let socket = if is_socket(data) { data.to_owned() } else { data.join(SOCKET) };
        let keys = Some(data.join("keys")).filter(|keys| keys.is_dir());
        Self { data: data.to_owned(), keys, socket, config: None }
    }

    /// The same gateway, with the keys that a command names; a configuration may name no others.
    fn with_keys(self, keys: Option<&Path>) -> anyhow::Result<Self> {
        let Some(keys) = keys else { return Ok(self) };
        let really = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        match (&self.config, &self.keys) {
            (Some(config), Some(own)) if really(own) != really(keys) => bail!(
                "{} says that the gateway's keys are in {}, and --keys names {}: leave one of them out",
                config.display(),
                own.display(),
                keys.display()
            ),
            _ => Ok(Self { keys: Some(keys.to_owned()), ..self }),
        }
    }

    /// The directory of its keys.
    pub(crate) fn keys(&self) -> anyhow::Result<PathBuf> {
        if let Some(keys) = &self.keys {
            return Ok(keys.clone());
        }
        self.there()?;
        bail!(
            "{} has no keys in it: name the gateway by its --config, or the directory of its keys by --keys",
            self.display()
        )
    }

    /// Refuses what is not there. A socket is, whatever stands behind it.
    pub(crate) fn there(&self) -> anyhow::Result<()> {
        if self.data.is_dir() || self.is_socket_alone() {
            return Ok(());
        }
        let said = self.config.as_ref().map_or_else(
            || "name the gateway by its --config, or its data or its operators' socket by --data".to_owned(),
            |file| format!("{} names it; is its disk mounted", file.display()),
        );
        Err(NotThere::error(format!("there is no directory {}: {said}", self.data.display())))
    }

    /// True if only the operators' socket is known.
    pub(crate) fn is_socket_alone(&self) -> bool {
        self.socket == self.data
    }

    /// For people.
    pub(crate) fn display(&self) -> std::path::Display<'_> {
        self.data.display()
    }
}

/// Returns the path for a new configuration.
pub(crate) fn new_config_file(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let file = given.map(Path::to_owned).or_else(config_in_environment);
    let file = file.unwrap_or_else(|| PathBuf::from(PACKAGE_CONFIG));
    std::path::absolute(&file).with_context(|| format!("{} is no path", file.display()))
}

/// The configuration that was given, or the one that every command goes by.
pub(crate) fn config_file(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    let file = given.map(Path::to_owned).or_else(config_in_environment).or_else(package_config);
    file.with_context(|| {
        format!("no configuration is named: give it, or name it in the environment with {VARIABLE}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_data_that_are_not_the_configurations_are_refused_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("keys")).unwrap();
        let text = format!("data = {:?}\nkeys = {:?}\n", at("data"), at("keys"));
        std::fs::write(at("changtong.toml"), text).unwrap();
        let named = |data: Option<&str>, keys: Option<&str>| At {
            config: Some(at("changtong.toml")),
            data: data.map(at),
            keys: keys.map(at),
        };
        for keys in [None, Some("keys"), Some("keys/../keys")] {
            let found = named(None, keys).find().unwrap();
            assert_eq!(found.keys().unwrap().canonicalize().unwrap(), at("keys").canonicalize().unwrap());
        }
        for (data, keys, expected) in
            [(Some("data"), None, "not by both"), (None, Some("others"), "leave one of them out")]
        {
            let error = named(data, keys).find().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = named(Some("data"), None).file().unwrap_err().to_string();
        assert!(error.contains("not by both"), "{error}");
    }
}
