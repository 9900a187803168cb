//! The registrar of a gateway in a fleet: what it does for the fleet's thread. Whether this gateway leads, and what goes where, is decided
//! in the crate `fleet`; the registry's part is in `registry::replication`.

use registry::replication::{Applied, Step, StreamPlace};

use super::state::RegistryChange;
use super::{Registrar, RegistrarError};

/// The position up to which the registry has the fleet's stream, after everything that came before this.
pub struct FleetPosition;

/// Steps of the fleet's stream, to be applied in one transaction. The memory of codes and the policy follow; the reply names the rest.
pub struct ApplySteps(pub Vec<Step>);

/// The memory of codes and the policy made anew from the registry, after they may not have followed what was applied.
pub struct FollowAll;

/// The first change of a gateway that leads, which is sent even if it changes nothing.
pub struct TakeOffice;

impl RegistryChange for FleetPosition {
    type Reply = StreamPlace;
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<StreamPlace, RegistrarError> {
        Ok(registrar.registry().stream_place()?)
    }

    fn is_local() -> bool {
        true
    }
}

impl RegistryChange for ApplySteps {
    type Reply = Applied;
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<Applied, RegistrarError> {
        let mut applied = Applied::default();
        registrar.registry().expect_rows(self.0.iter().map(|step| step.changes.rows()).sum())?;
        for step in &self.0 {
            registrar.registry().apply_step(step, &mut applied)?;
        }
        registrar.follow_applied(&applied)?;
        Ok(applied)
    }

    fn is_local() -> bool {
        true
    }
}

impl RegistryChange for FollowAll {
    type Reply = ();
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<(), RegistrarError> {
        if !registrar.registry().has_joined()? {
            return Ok(());
        }
        registrar.registry.follow_whole(registrar.codes)?;
        registrar.follow_applied(&Applied { policy: true, ..Applied::default() })
    }

    fn is_local() -> bool {
        true
    }
}

impl RegistryChange for TakeOffice {
    type Reply = ();
    type Error = RegistrarError;

    fn apply(self, registrar: &mut Registrar<'_>) -> Result<(), RegistrarError> {
        Ok(registrar.registry().take_office()?)
    }

    /// The registry itself refuses it where this gateway does not lead; what holds back other changes does not hold back this one.
    fn is_local() -> bool {
        true
    }
}
