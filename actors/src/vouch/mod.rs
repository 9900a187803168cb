//! The punch log and the registry vouch for each other, so that it is noticed if one of them is missing, another gateway's, or an older
//! copy. Each keeps the other's name and how far it has seen it: never more than is durable there, so that a crash makes no difference.
//! The modules `voucher` of `ledger` and `store::voucher` of `registry` hold what each keeps.

use std::path::{Path, PathBuf};

use keys::random::NoRandom;
use ledger::{LedgerError, LogIdentity, LogVoucher, has_day_keys};
use registry::{LogSeen, RegistryError, RegistryFound, RegistryVoucher};

use crate::registrar::{Registrar, RegistrarError, RegistrarHandle, RegistryChange};

/// A difference that shows that the two stores of a data directory do not belong together, in words that name both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}: restore the two that belong together; if the change is intended, order `changtong stores accept`"
)]
pub struct Difference(String);

/// An error of comparing the stores, or their difference.
#[derive(Debug, thiserror::Error)]
pub enum VouchError {
    /// The stores do not belong together.
    #[error(transparent)]
    Differ(#[from] Difference),
    /// An error of the punch log.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An error of the registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An error of the registry's writer.
    #[error(transparent)]
    Registrar(#[from] RegistrarError),
    /// No random bytes for the punch log's name.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// The paths of a gateway's stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stores {
    /// The registry's file.
    pub registry: PathBuf,
    /// The punch log's directory.
    pub ledger: PathBuf,
    /// The day keys' directory.
    pub day_keys: PathBuf,
}

/// The stores' vouchers, which agree as far as they can be compared without reading the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    seen: Option<LogSeen>,
}

impl Stores {
    /// Compares the vouchers and writes nothing. To be called before either store is opened for writing, which would make a missing one.
    /// The vouchers that a running gateway writes meanwhile do not make the comparison fail.
    ///
    /// # Errors
    /// The difference, or an error of reading.
    pub fn compare(&self) -> Result<Fit, VouchError> {
        // In this order: the log's voucher is the older one.
        let log = LogIdentity::at(&self.ledger)?;
        let registry = RegistryFound::at(&self.registry)?;
        Ok(self.fit(registry, &log, has_day_keys(&self.day_keys)?)?)
    }

    fn fit(&self, registry: RegistryFound, log: &LogIdentity, has_day_keys: bool) -> Result<Fit, Difference> {
        let (file, ledger) = (self.registry.display(), self.ledger.display());
        let known = match registry {
            RegistryFound::Nothing if *log != LogIdentity::Nothing => {
                return Err(Difference(format!("there is no registry {file}, and a punch log in {ledger}")));
            }
            RegistryFound::Nothing | RegistryFound::Unnamed => None,
            RegistryFound::Named(known) => Some(known),
        };
        if let LogIdentity::Named(LogVoucher { registry: Some((name, times)), seen_ms, .. }) = log {
            let seen = moment(*seen_ms);
            match known.as_ref().filter(|known| known.registry == *name) {
                None => {
                    return Err(Difference(format!(
                        "the registry {file} is not the one that the punch log in {ledger} saw on {seen}"
                    )));
                }
                Some(known) if known.times < *times => {
                    let at = moment(known.at_ms);
                    return Err(Difference(format!(
                        "the registry {file} is as of {at}, and the punch log in {ledger} saw a later one on {seen}: it is an older \
                         copy, in which decisions since are missing; who withdrew since is taken out again at the next start"
                    )));
                }
                Some(_) => {}
            }
        }
        let Some(LogSeen { log: name, lsn, at_ms }) = known.as_ref().and_then(|known| known.log.as_ref())
        else {
            if has_day_keys && *log == LogIdentity::Nothing {
                let keys = self.day_keys.display();
                return Err(Difference(format!(
                    "{ledger} holds no punch log, and {keys} has keys of days with punches (is the disk of {file} mounted?)"
                )));
            }
            return Ok(Fit { seen: None });
        };
        let saw = format!("and the registry {file} saw log {name} up to LSN {lsn} on {}", moment(*at_ms));
        match log {
            LogIdentity::Nothing => {
                Err(Difference(format!("{ledger} holds no punch log (is its disk mounted?), {saw}")))
            }
            LogIdentity::Unnamed => {
                let unnamed = "does not say which it is, as in a backup";
                Err(Difference(format!("the punch log in {ledger} {unnamed}, {saw}")))
            }
            LogIdentity::Named(found) if found.log != *name => {
                Err(Difference(format!("the punch log in {ledger} is log {}, {saw}", found.log)))
            }
            LogIdentity::Named(_) => Ok(Fit { seen: known.and_then(|known| known.log) }),
        }
    }

    /// Checks that the log reaches as far as the registry saw it. `lsn` is the log's last LSN, read after [`Self::compare`].
    ///
    /// # Errors
    /// The log ends before.
    pub fn reaches(&self, fit: &Fit, lsn: u64) -> Result<(), Difference> {
        let Some(LogSeen { lsn: reached, at_ms, .. }) = fit.seen.as_ref().filter(|seen| lsn < seen.lsn)
        else {
            return Ok(());
        };
        let (file, ledger, seen) = (self.registry.display(), self.ledger.display(), moment(*at_ms));
        Err(Difference(format!(
            "the punch log in {ledger} ends at LSN {lsn}, and the registry {file} saw it up to LSN {reached} on {seen}: it is an \
             older copy, or its end is missing"
        )))
    }
}

/// Makes the two vouch for each other as they are now, with `lsn`, which is durable; not if the registry has not changed since its change
/// `last`, whose number an earlier call returned. A log without a name gets one. Stopped between any two steps, each store claims no more
/// than is durable in the other.
///
/// # Errors
/// An error of either store; their vouchers still agree then.
pub fn vouch(
    registrar: &RegistrarHandle,
    ledger: &Path,
    lsn: u64,
    last: Option<u64>,
    now_ms: u64,
) -> Result<Option<u64>, VouchError> {
    let known = match LogIdentity::at(ledger)? {
        LogIdentity::Named(known) => known,
        LogIdentity::Nothing | LogIdentity::Unnamed => name_log(ledger, now_ms)?,
    };
    let seen = LogSeen { log: known.log.clone(), lsn, at_ms: now_ms };
    let Some((said, change)) = registrar.act_blocking(Vouch { seen, last })? else { return Ok(None) };
    LogVoucher { registry: Some((said.registry, said.times)), seen_ms: now_ms, ..known }.write(ledger)?;
    Ok(Some(change))
}

/// The registry's voucher for the punch log, to be stored unless nothing has changed since the registry's change `last`. The reply has it
/// with the number of that change.
struct Vouch {
    seen: LogSeen,
    last: Option<u64>,
}

impl RegistryChange for Vouch {
    type Reply = Option<(RegistryVoucher, u64)>;
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<Self::Reply, RegistrarError> {
        let registry = registrar.registry();
        if self.last == Some(registry.changes()) {
            return Ok(None);
        }
        let voucher = registry.vouch(&self.seen)?;
        Ok(Some((voucher, registry.changes())))
    }

    fn is_local() -> bool {
        true
    }
}

/// The acceptance of any punch log at the next start, with the reason.
struct AcceptAnyLog(String);

impl RegistryChange for AcceptAnyLog {
    type Reply = ();
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<(), RegistrarError> {
        Ok(registrar.registry().accept_any_log(&self.0)?)
    }

    /// The punch log is one gateway's own, and so is its acceptance.
    fn is_local() -> bool {
        true
    }
}

/// Accepts the stores' difference by an operator's order: both forget what they saw, and vouch for what is beside them at the next start.
/// `by` names the operators and the case. Returns the difference that was accepted, if there was one.
///
/// # Errors
/// An error of either store.
pub fn accept(
    registrar: &RegistrarHandle,
    stores: &Stores,
    lsn: u64,
    by: &str,
    now_ms: u64,
) -> Result<Option<Difference>, VouchError> {
    let log = LogIdentity::at(&stores.ledger)?;
    let found = RegistryFound::at(&stores.registry)?;
    let fit = stores.fit(found, &log, has_day_keys(&stores.day_keys)?);
    let Err(difference) = fit.and_then(|fit| stores.reaches(&fit, lsn)) else { return Ok(None) };
    registrar.act_blocking(AcceptAnyLog(format!("{now_ms} {by}: {difference}")))?;
    let known = match log {
        LogIdentity::Named(known) => known,
        LogIdentity::Nothing | LogIdentity::Unnamed => name_log(&stores.ledger, now_ms)?,
    };
    LogVoucher { registry: None, ..known }.write(&stores.ledger)?;
    Ok(Some(difference))
}

fn name_log(ledger: &Path, now_ms: u64) -> Result<LogVoucher, VouchError> {
    let log = hex::encode(keys::random::bytes::<8>()?);
    let voucher = LogVoucher { log, since_ms: now_ms, registry: None, seen_ms: now_ms };
    voucher.write(ledger)?;
    Ok(voucher)
}

/// Returns the date and time of a moment in the city, for people.
fn moment(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let text = at.map(|at| jiff::tz::offset(8).to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string());
    text.unwrap_or_else(|| "an unknown day".to_owned())
}

#[cfg(test)]
mod tests;
