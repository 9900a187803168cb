//! An actor that panics on request: in its handler, a future, a timer, `started` or `stopping`.

use std::sync::atomic::AtomicUsize;

use actix::{ActorContext, Handler, Message, Running};
use tokio::sync::oneshot;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Handler,
    Future,
    Timer,
    Stop,
}

#[derive(Message)]
#[rtype(result = "()")]
struct Job(Fault, oneshot::Sender<u32>);

/// The numbers of further calls of `started` and `stopping` that panic, and of all calls of `started`.
#[derive(Clone, Default)]
struct Plan {
    started: Arc<AtomicUsize>,
    stopping: Arc<AtomicUsize>,
    lives: Arc<AtomicUsize>,
}

fn take(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

struct Worker {
    plan: Plan,
    jobs: u32,
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.plan.lives.fetch_add(1, Ordering::Relaxed);
        assert!(!take(&self.plan.started), "told to panic in started");
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        assert!(!take(&self.plan.stopping), "told to panic in stopping");
        Running::Stop
    }
}

impl Supervised for Worker {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.jobs = 0;
    }
}

impl Handler<Job> for Worker {
    type Result = ();

    fn handle(&mut self, Job(fault, reply): Job, context: &mut Self::Context) {
        self.jobs += 1;
        match fault {
            Fault::None => drop(reply.send(self.jobs)),
            Fault::Handler => panic!("told to panic in a handler"),
            Fault::Future => {
                context.spawn(actix::fut::wrap_future(async { panic!("told to panic in a future") }));
            }
            Fault::Timer => {
                context.run_later(Duration::from_millis(1), |_, _| panic!("told to panic in a timer"));
            }
            Fault::Stop => context.stop(),
        }
    }
}

const FAST: RestartPolicy = RestartPolicy {
    backoff_first: Duration::from_millis(1),
    backoff_max: Duration::from_millis(2),
    intensity: usize::MAX,
    period: Duration::from_secs(60),
    parked_for: Duration::from_millis(20),
};

fn send(actor: &ActorRef<Worker>, fault: Fault) -> Option<oneshot::Receiver<u32>> {
    let (reply, answer) = oneshot::channel();
    actor.addr()?.try_send(Job(fault, reply)).ok()?;
    Some(answer)
}

fn start(policy: RestartPolicy, plan: &Plan) -> ActorRef<Worker> {
    let plan = plan.clone();
    let parked = ParkedGauge::new(metrics::Gauge::noop());
    supervise("worker".to_owned(), policy, parked, move || Worker { plan: plan.clone(), jobs: 0 })
}

async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = clock::now() + Duration::from_secs(30);
    while !condition() {
        assert!(clock::now() < deadline, "the condition did not come true");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn run(test: impl Future<Output = ()>) {
    actix_rt::System::new().block_on(test);
}

#[test]
fn a_panic_costs_its_own_message_and_nothing_else() {
    for fault in [Fault::Handler, Fault::Future, Fault::Timer, Fault::Stop] {
        run(async {
            let actor = start(FAST, &Plan::default());
            for round in 1..=20 {
                let failed = send(&actor, fault).expect("accepted");
                let queued: Vec<_> = (0..10).map(|_| send(&actor, Fault::None).expect("accepted")).collect();
                for answer in queued {
                    answer.await.expect("what waits behind a failure is answered");
                }
                assert!(failed.await.is_err(), "{fault:?}: the failed message has no answer");
                until(|| actor.restarts() == round).await;
            }
        });
    }
}

#[test]
fn a_restarted_actor_is_fresh() {
    run(async {
        let actor = start(FAST, &Plan::default());
        assert_eq!(send(&actor, Fault::None).expect("accepted").await, Ok(1));
        assert_eq!(send(&actor, Fault::None).expect("accepted").await, Ok(2));
        let _ = send(&actor, Fault::Handler).expect("accepted").await;
        assert_eq!(send(&actor, Fault::None).expect("accepted").await, Ok(1));
    });
}

#[test]
fn a_panic_in_started_is_survived() {
    run(async {
        let plan = Plan::default();
        plan.started.store(3, Ordering::Relaxed);
        let actor = start(FAST, &plan);
        assert_eq!(send(&actor, Fault::None).expect("accepted").await, Ok(1));
        assert_eq!((actor.restarts(), plan.lives.load(Ordering::Relaxed)), (3, 4));
    });
}

#[test]
fn an_actor_that_keeps_failing_is_parked_and_tried_again() {
    run(async {
        let plan = Plan::default();
        plan.stopping.store(1, Ordering::Relaxed);
        let actor = start(RestartPolicy { intensity: 3, ..FAST }, &plan);
        let failing: Vec<_> = (0..4).map(|_| send(&actor, Fault::Handler).expect("accepted")).collect();
        let waiting = send(&actor, Fault::None).expect("accepted");
        for answer in failing {
            assert!(answer.await.is_err());
        }
        assert!(waiting.await.is_err(), "what waits for a parked actor is let go");
        assert!(actor.is_parked() && send(&actor, Fault::None).is_none());
        until(|| !actor.is_parked()).await;
        assert_eq!(send(&actor, Fault::None).expect("accepted").await, Ok(1));
    });
}

#[test]
fn the_actor_ends_with_its_last_post() {
    run(async {
        let plan = Plan::default();
        let actor = start(FAST, &plan);
        assert_eq!(send(&actor, Fault::None).expect("accepted").await, Ok(1));
        drop(actor);
        until(|| Arc::strong_count(&plan.lives) == 1).await;
    });
}

#[test]
fn back_off_doubles_to_its_limit_and_a_quiet_period_forgives() {
    let policy = RestartPolicy { intensity: 6, ..RestartPolicy::default() };
    let mut history = History::default();
    let start = clock::now();
    let after = |next| match next {
        Next::Restart { after } => Some(after.as_millis()),
        Next::Park => None,
    };
    let expected = [Some(0), Some(20), Some(40), Some(80), Some(160), Some(320), None];
    for (second, expected) in expected.into_iter().enumerate() {
        let now = start + Duration::from_secs(second as u64);
        assert_eq!(after(history.failed(now, &policy)), expected, "failure {second}");
    }
    let later = start + Duration::from_secs(100);
    assert_eq!(after(history.failed(later, &policy)), Some(0));
}

#[test]
fn a_gauge_of_several_actors_shows_a_parked_one_until_none_is_parked() {
    struct Last(Mutex<Vec<f64>>);

    impl metrics::GaugeFn for Last {
        fn increment(&self, _: f64) {}
        fn decrement(&self, _: f64) {}
        fn set(&self, value: f64) {
            lock::lock(&self.0).push(value);
        }
    }

    let last = Arc::new(Last(Mutex::default()));
    let one = ParkedGauge::new(metrics::Gauge::from_arc(Arc::clone(&last)));
    let other = one.clone();
    for (gauge, is_parked) in [(&one, true), (&other, true), (&one, false), (&other, false), (&one, true)] {
        gauge.count(is_parked);
    }
    assert_eq!(*lock::lock(&last.0), [0.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
}
