//! The fleet's thread: it connects, then follows and leads in turn until the gateway ends.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use keys::Keys;
use keys::fleet::FleetKey;
use metrics::Gauge;
use protocol::metric;
use registry::replication::Outbox;
use runtime::host::{HostedThread, Stop, host};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep};

use crate::broker::{self, Broker};
use crate::calls::{self, Calls};
use crate::copy::{self, Elsewhere, PunchLog};
use crate::follow::follow;
use crate::lead::lead;
use crate::lease::Leader;
use crate::names::Name;
use crate::peers::{self, Peers, Post};
use crate::roster::{self, Desk};
use crate::standing::{Append, Shared, Standing};
use crate::{FleetConfig, Member, Trouble, refill, snapshot};

/// The pause after trouble, before it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// The interval at which the metrics follow.
const SHOWN: Duration = Duration::from_millis(500);

/// A gateway's part in a fleet, before its thread runs. The registry gets its outbox first, so that nothing is written without it.
pub struct Fleet {
    config: FleetConfig,
    shared: Arc<Shared>,
    appends: mpsc::Receiver<Append>,
    log: Option<PunchLog>,
    pub(crate) elsewhere: Elsewhere,
    peers: (Peers, Post),
    desk: Desk,
}

/// The fleet's running thread.
pub struct Running {
    peers: Peers,
    thread: HostedThread,
}

impl Fleet {
    /// Creates the part of a gateway with these keys.
    ///
    /// # Errors
    /// The file of punches that wait for another gateway cannot be read.
    pub fn new(config: FleetConfig, key: FleetKey, keys: &Keys) -> std::io::Result<Self> {
        let elsewhere = Elsewhere::default();
        // The registrar waits for each of its changes.
        let (sender, appends) = mpsc::channel(1);
        let shared = Arc::new(Shared::new(config.name.clone(), key, keys, sender));
        let calls = Calls::new(Arc::clone(&shared));
        let (roster, desk) = roster::open();
        let peers = peers::open(&config.data, Arc::new(elsewhere.clone()), (calls, roster))?;
        Ok(Self { config, shared, appends, peers, desk, log: None, elsewhere })
    }

    /// Has the thread keep a second copy of this punch log at the broker.
    #[must_use]
    pub fn copying(self, log: PunchLog) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Returns the way of sessions to the other gateways.
    pub fn peers(&self) -> Peers {
        self.peers.0.clone()
    }

    /// Returns the outbox of this gateway's registry.
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::clone(&self.shared) as Arc<dyn Outbox>
    }

    /// Starts the thread. To stop it gives the lease back.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(self, member: Arc<dyn Member>) -> std::io::Result<Running> {
        let Self { config, shared, appends, log, elsewhere, peers: (peers, post), desk } = self;
        let calls = peers.calls().clone();
        let ((), thread) = host("fleet", move |stop| {
            let work = Work { appends, post, desk, calls, log, marks: elsewhere };
            ((), async move {
                tokio::select! {
                    () = live(&config, &shared, member, work, stop) => {}
                    never = show(&shared) => match never {},
                }
            })
        })?;
        Ok(Running { peers, thread })
    }
}

impl Running {
    /// Returns a function that tells where this gateway stands.
    pub fn standing(&self) -> impl Fn() -> Standing + Clone + Send + Sync + 'static {
        let peers = self.peers.clone();
        move || peers.standing()
    }

    /// Returns the way of sessions to the other gateways.
    pub fn peers(&self) -> Peers {
        self.peers.clone()
    }

    /// Returns the handle that the watchdog pings.
    pub fn pulse(&self) -> runtime::arbiter::Pulse {
        self.thread.pulse()
    }

    /// Gives the lease back and ends the thread.
    ///
    /// # Errors
    /// Names the thread if it panicked.
    pub fn stop(self) -> Result<(), String> {
        self.thread.stop()
    }
}

/// Keeps the second copy of a punch log, if there is one, and reads the marks of others, for ever.
async fn copied(
    config: &FleetConfig,
    shared: &Shared,
    log: Option<&PunchLog>,
    elsewhere: &Elsewhere,
) -> Infallible {
    match log {
        Some(log) => tokio::select! {
            never = copy::run(config, shared, log) => never,
            never = copy::follow(config, elsewhere) => never,
        },
        None => std::future::pending().await,
    }
}

/// The ends on the fleet's thread of what reaches it.
struct Work {
    appends: mpsc::Receiver<Append>,
    post: Post,
    desk: Desk,
    calls: Calls,
    log: Option<PunchLog>,
    marks: Elsewhere,
}

/// Does everything of the fleet until the gateway ends; nothing while another gateway has its name.
async fn live(config: &FleetConfig, shared: &Arc<Shared>, member: Arc<dyn Member>, work: Work, stop: Stop) {
    let Work { mut appends, mut post, mut desk, calls, log, marks } = work;
    snapshot::clear(config);
    let mut stop = std::pin::pin!(stop);
    let client = tokio::select! {
        client = connected(config, shared) => client,
        () = &mut stop => return,
    };
    calls.open(&client);
    let name = Name::new(&client, shared.key(), &config.name);
    let subject = shared.marks_subject();
    let place = refill::subject(&subject);
    let list = post.list();
    loop {
        if name.is_taken().await {
            tell(shared, Trouble::NameTaken { name: config.name.clone() });
            shared.refuse_order("another gateway that runs has this gateway's name");
            tokio::select! {
                () = sleep(RETRY) => continue,
                () = &mut stop => return,
            }
        }
        tokio::select! {
            () = post.run(&client, config, &subject, &*member) => {}
            () = refill::answer(&client, &place, shared) => {}
            () = calls::serve(&client, shared, &member) => {}
            () = take_turns(&client, config, shared, &*member, &mut appends, &mut stop) => return,
            never = copied(config, shared, log.as_ref(), &marks) => match never {},
            () = desk.run(&client, shared, || list.borrow().clone()) => {}
            () = name.answer() => {}
            () = name.lost() => {}
        }
        shared.step_down();
        shared.note(|standing| standing.leader = None);
        // A registrar that waits is told at once.
        while appends.try_recv().is_ok() {}
    }
}

/// Follows and leads in turn until the gateway ends.
async fn take_turns(
    client: &async_nats::Client,
    config: &FleetConfig,
    shared: &Shared,
    member: &dyn Member,
    appends: &mut mpsc::Receiver<Append>,
    stop: &mut Pin<&mut Stop>,
) {
    let leader = Leader { name: config.name.clone(), address: config.address.clone() };
    loop {
        let office = async {
            let broker = Broker::open(client.clone(), config).await?;
            let office = follow(&broker, shared, member, config, &leader).await?;
            Ok((broker, office))
        };
        let found = tokio::select! {
            found = office => found,
            () = &mut *stop => return,
        };
        let trouble = match found {
            Err(trouble) => trouble,
            Ok((broker, office)) => {
                tracing::info!(name = config.name, position = office.end, "this gateway leads the fleet");
                shared.note(|standing| standing.leader = Some(leader.clone()));
                let led = lead(&broker, shared, (member, config), office, appends, stop).await;
                let Some(trouble) = led else { return };
                shared.note(|standing| standing.leader = None);
                trouble
            }
        };
        tell(shared, trouble);
        sleep(RETRY).await;
    }
}

fn tell(shared: &Shared, trouble: Trouble) {
    let is_away = matches!(trouble, Trouble::Broker(_));
    let text = trouble.to_string();
    if shared.standing().trouble.as_ref() != Some(&text) {
        tracing::warn!(trouble = text, "this gateway does not lead, and does not follow for now");
    }
    shared.note(|standing| {
        standing.trouble = Some(text);
        standing.connected &= !is_away;
    });
}

/// Connects for the first time; afterwards the client does so by itself.
async fn connected(config: &FleetConfig, shared: &Shared) -> async_nats::Client {
    loop {
        match broker::connect(config).await {
            Ok(client) => return client,
            Err(trouble) => tell(shared, trouble),
        }
        sleep(RETRY).await;
    }
}

/// Has the metrics follow, for ever; also before the broker answers for the first time.
async fn show(shared: &Shared) -> Infallible {
    let gauges: [Gauge; 5] = [
        metrics::gauge!(metric::FLEET_LEADS),
        metrics::gauge!(metric::FLEET_POSITION),
        metrics::gauge!(metric::FLEET_LAG),
        metrics::gauge!(metric::FLEET_COLOURS_AGE_SECONDS),
        metrics::gauge!(metric::FLEET_SNAPSHOT_AGE),
    ];
    let mut due = interval(SHOWN);
    loop {
        due.tick().await;
        let standing = shared.standing();
        let values = [
            f64::from(u8::from(standing.leads)),
            standing.position as f64,
            standing.lag() as f64,
            standing.colours_age_s as f64,
            standing.snapshot_age_s() as f64,
        ];
        gauges.iter().zip(values).for_each(|(gauge, value)| gauge.set(value));
    }
}
