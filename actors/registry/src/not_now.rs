//! Why the registry of a gateway in a fleet takes no change now, with what to do instead.

/// A refusal to change the registry now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// Another gateway of the fleet leads.
    #[error("this gateway follows {name}, which leads the fleet: do it there, at {address}")]
    Elsewhere {
        /// The leader's name.
        name: String,
        /// The address at which people find it.
        address: String,
    },
    /// No gateway leads, as far as this one knows.
    #[error(
        "not now: no gateway leads the fleet, or the broker is away; nothing was changed; try again in some seconds. If it lasts, see \
         `changtong fleet status`"
    )]
    NoLeader,
    /// This gateway leads, and no other one could join the fleet yet.
    #[error(
        "not now: this gateway leads the fleet and stores the snapshot by which others join; nothing was changed; try again in some seconds. If it \
         lasts, see `changtong fleet status`"
    )]
    NoSnapshot,
    /// A snapshot takes the place of this registry.
    #[error("not now: this gateway joins its fleet anew; nothing was changed; try again in some seconds")]
    Joining,
    /// The stream has another change in its place, so that another gateway leads.
    #[error(
        "not now: another gateway has taken the lead, and nothing was changed; try again in some seconds"
    )]
    Fenced,
    /// The registry belongs to a fleet and its gateway does not run.
    #[error("this registry belongs to a fleet, and changes only with it: start the gateway, and do it again")]
    AtRest,
    /// A change that the fleet's stream does not take at once.
    #[error(
        "this change is too large for the fleet's stream, and nothing was changed: {0}. Make it in smaller parts"
    )]
    TooLarge(String),
    /// The stream did not say in time that it has the change. It may have it.
    #[error(
        "not now: the fleet's stream did not confirm the change; look in some seconds whether it was made, then try again"
    )]
    Unconfirmed,
}
