//! The fleet's thread: it connects, then follows and leads in turn until the gateway ends.

use std::sync::Arc;
use std::time::Duration;

use keys::fleet::FleetKey;
use keys::ids::KeyId;
use metrics::Gauge;
use protocol::metric;
use registry::replication::Outbox;
use runtime::host::{HostedThread, Stop, host};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep};

use crate::broker::{self, Broker};
use crate::follow::{Candidate, follow};
use crate::lead::lead;
use crate::lease::Leader;
use crate::standing::{Append, Shared, Standing};
use crate::{FleetConfig, Member, Trouble};

/// The pause after trouble, before it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// The interval at which the metrics follow.
const SHOWN: Duration = Duration::from_millis(500);

/// A gateway's part in a fleet, before its thread runs. The registry gets its outbox first, so that nothing is written without it.
pub struct Fleet {
    config: FleetConfig,
    shared: Arc<Shared>,
    appends: mpsc::Receiver<Append>,
}

/// The fleet's running thread.
pub struct Running {
    shared: Arc<Shared>,
    thread: HostedThread,
}

impl Fleet {
    /// Creates the part of a gateway with these keys.
    pub fn new(config: FleetConfig, key: FleetKey, keys: Vec<KeyId>) -> Self {
        // The registrar waits for each of its changes.
        let (sender, appends) = mpsc::channel(1);
        let shared = Arc::new(Shared::new(config.name.clone(), key, keys, sender));
        Self { config, shared, appends }
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
        let Self { config, shared, appends } = self;
        let known = Arc::clone(&shared);
        let ((), thread) = host("fleet", move |stop| ((), live(config, shared, member, appends, stop)))?;
        Ok(Running { shared: known, thread })
    }
}

impl Running {
    /// Returns a function that tells where this gateway stands.
    pub fn standing(&self) -> impl Fn() -> Standing + Clone + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.standing()
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

async fn live(
    config: FleetConfig,
    shared: Arc<Shared>,
    member: Arc<dyn Member>,
    mut appends: mpsc::Receiver<Append>,
    stop: Stop,
) {
    let mut stop = std::pin::pin!(stop);
    let client = tokio::select! {
        client = connected(&config, &shared) => client,
        () = &mut stop => return,
    };
    let leader = Leader { name: config.name.clone(), address: config.address.clone() };
    let process = format!("{:016x}", fastrand::u64(..));
    let candidate = Candidate { leader: &leader, process: &process };
    loop {
        let office = async {
            let broker = Broker::open(client.clone(), &config).await?;
            let office = follow(&broker, &shared, &*member, &candidate).await?;
            Ok((broker, office))
        };
        let found = tokio::select! {
            found = office => found,
            () = show(&shared) => return,
            () = &mut stop => return,
        };
        let trouble = match found {
            Err(trouble) => trouble,
            Ok((broker, office)) => {
                tracing::info!(name = config.name, position = office.end, "this gateway leads the fleet");
                shared.note(|standing| standing.leader = Some(leader.clone()));
                let led = tokio::select! {
                    led = lead(&broker, &shared, &*member, office, &mut appends, &mut stop) => led,
                    () = show(&shared) => None,
                };
                let Some(trouble) = led else { return };
                shared.note(|standing| standing.leader = None);
                trouble
            }
        };
        tell(&shared, trouble);
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

/// Has the metrics follow, for ever.
async fn show(shared: &Shared) {
    let gauges: [Gauge; 4] = [
        metrics::gauge!(metric::FLEET_LEADS),
        metrics::gauge!(metric::FLEET_POSITION),
        metrics::gauge!(metric::FLEET_LAG),
        metrics::gauge!(metric::FLEET_ADRIFT),
    ];
    let mut due = interval(SHOWN);
    loop {
        due.tick().await;
        let standing = shared.standing();
        let values = [
            f64::from(u8::from(standing.leads)),
            standing.position as f64,
            standing.lag() as f64,
            f64::from(u8::from(standing.is_adrift())),
        ];
        gauges.iter().zip(values).for_each(|(gauge, value)| gauge.set(value));
    }
}
