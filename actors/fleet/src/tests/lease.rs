//! The lease, when answers about it are lost.

use std::future::Future;
use std::path::PathBuf;

use keys::TokenFile;

use super::broker::Nats;
use super::gateway::config;
use crate::broker::{Broker, connect};
use crate::lease::{Leader, Lease, holder};

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

async fn broker(nats: &Nats) -> Broker {
    let config = config("north", nats.url(), PathBuf::new());
    Broker::open(connect(&config).await.unwrap(), &config).await.unwrap()
}

fn leader(name: &str) -> Leader {
    Leader { name: name.to_owned(), address: format!("https://{name}.example") }
}

fn token() -> TokenFile {
    TokenFile { file: "token-1.key".to_owned(), good_from_s: None }
}

#[test]
fn a_renewal_whose_answer_was_lost_keeps_the_lease() {
    let nats = Nats::start("");
    run(async {
        let broker = broker(&nats).await;
        let mut lease =
            Lease::take(&broker.bucket, &leader("north"), &token()).await.unwrap().expect("it is free");
        // The broker has the renewal, and this gateway does not know.
        let entry = broker.bucket.entry("leader").await.unwrap().expect("it is there");
        broker.bucket.update("leader", entry.value, entry.revision).await.unwrap();
        let until = lease.until;
        lease.renew().await.expect("the entry is its own");
        assert!(lease.until > until);
        lease.renew().await.expect("it knows its place again");
        lease.give_back().await;
        assert_eq!(holder(&broker.bucket).await.unwrap(), None);
    });
}

#[test]
fn a_lease_that_another_term_has_taken_is_lost() {
    let nats = Nats::start("");
    run(async {
        let broker = broker(&nats).await;
        let mut first =
            Lease::take(&broker.bucket, &leader("north"), &token()).await.unwrap().expect("it is free");
        assert!(
            Lease::take(&broker.bucket, &leader("north"), &token()).await.unwrap().is_none(),
            "a namesake"
        );
        broker.bucket.purge("leader").await.unwrap();
        let mut next =
            Lease::take(&broker.bucket, &leader("north"), &token()).await.unwrap().expect("it is free");
        first.renew().await.map(drop).expect_err("the namesake's entry is not its own");
        next.renew().await.expect("its own");
        let held = holder(&broker.bucket).await.unwrap().expect("its entry");
        assert_eq!((held.leader, held.token), (leader("north"), Some(token())));
        assert!(held.ahead_s.abs() < 5, "one clock: {}", held.ahead_s);
    });
}
