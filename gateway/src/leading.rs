//! The gateway that leads, as visitors and load balancers have to know it: here, at another address, or none. The fleet's thread knows it;
//! until that runs nobody is known to lead. A gateway without a fleet always leads.

use std::sync::{Arc, OnceLock};

use fleet::{Leader, Standing};

use crate::config;

type Stands = Box<dyn Fn() -> Standing + Send + Sync>;

/// The gateway that people have to go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    Here,
    Elsewhere(Leader),
    /// No gateway, as far as this one knows.
    Nobody,
}

/// The knowledge of who leads; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Leading {
    /// The address of this gateway; `None` without a fleet.
    own: Option<Arc<str>>,
    stands: Arc<OnceLock<Stands>>,
}

impl Leading {
    /// Creates the knowledge of a gateway with this section.
    pub(crate) fn new(fleet: Option<&config::Fleet>) -> Self {
        Self { own: fleet.map(|fleet| fleet.address().into()), stands: Arc::default() }
    }

    /// Takes the fleet's word from now on, if there is a fleet. The first call counts.
    pub(crate) fn follow(&self, stands: Option<impl Fn() -> Standing + Send + Sync + 'static>) {
        if let Some(stands) = stands {
            let _ = self.stands.set(Box::new(stands));
        }
    }

    /// Returns who leads now.
    pub(crate) fn now(&self) -> Lead {
        if self.own.is_none() {
            return Lead::Here;
        }
        self.standing().map_or(Lead::Nobody, Lead::of)
    }

    /// Returns where this gateway stands in its fleet; `None` without a fleet, and before its thread runs.
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.stands.get().map(|stands| stands())
    }

    /// Returns the origin of the leader's pages, `https://HOST` or `https://HOST:PORT`. `None` if this gateway leads, if nobody does, if the
    /// leader is behind the same address as this one, or if its address is none that a visitor may be sent to.
    pub(crate) fn origin_elsewhere(&self) -> Option<String> {
        let own = self.own.as_deref()?;
        let Lead::Elsewhere(leader) = self.now() else { return None };
        let origin = config::origin(&leader.address)?;
        (config::origin(own) != Some(origin)).then(|| origin.to_owned())
    }
}

impl Lead {
    /// A gateway that does not hear the broker does not know who leads now.
    fn of(standing: Standing) -> Self {
        match standing.leader {
            _ if standing.leads => Self::Here,
            Some(leader) if standing.connected && leader.name != standing.name => Self::Elsewhere(leader),
            Some(_) | None => Self::Nobody,
        }
    }
}

#[cfg(test)]
impl Leading {
    /// Creates the knowledge of a gateway at `own` that follows a leader at `address`.
    pub(crate) fn at(own: &str, address: &str) -> Self {
        let leading = Self { own: Some(own.into()), stands: Arc::default() };
        let leader = Some(Leader { name: "north".to_owned(), address: address.to_owned() });
        let (name, connected) = ("south".to_owned(), true);
        let standing = Standing { name, connected, leader, ..Standing::default() };
        leading.follow(Some(move || standing.clone()));
        leading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_alone_leads_and_a_member_does_as_its_fleet_says() {
        assert_eq!(Leading::default().now(), Lead::Here);
        let starting = Leading { own: Some("https://south.example".into()), stands: Arc::default() };
        assert_eq!(starting.now(), Lead::Nobody);
        let leader = |name: &str| Leader { name: name.to_owned(), address: "https://a.example".to_owned() };
        for (leads, connected, known, expected) in [
            (true, true, Some("south"), Lead::Here),
            (false, true, Some("north"), Lead::Elsewhere(leader("north"))),
            (false, true, Some("south"), Lead::Nobody),
            (false, false, Some("north"), Lead::Nobody),
            (false, true, None, Lead::Nobody),
        ] {
            let (name, leader) = ("south".to_owned(), known.map(leader));
            let standing = Standing { name, leads, connected, leader, ..Standing::default() };
            assert_eq!(Lead::of(standing), expected, "{leads} {connected} {known:?}");
        }
    }

    #[test]
    fn visitors_are_sent_to_checked_addresses_alone_and_never_back_here() {
        let sent = |address: &str| Leading::at("https://south.example", address).origin_elsewhere();
        assert_eq!(sent("https://north.example/").as_deref(), Some("https://north.example"));
        assert_eq!(sent("http://localhost:8080").as_deref(), Some("http://localhost:8080"));
        for refused in [
            "https://south.example",
            "http://north.example",
            "https://north.example/path",
            "https://user@north.example",
            "https://north.example\r\nset-cookie: a=b",
            "javascript:alert(1)",
            "//north.example",
            "https://",
            "",
        ] {
            assert_eq!(sent(refused), None, "{refused:?}");
        }
    }
}
