//! The connections of a turn, made a few at a time.

use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;

/// Limit of handshakes at a time.
const DIALLING_MAX: usize = 64;
/// Deadline for one connection.
const DIAL_MAX: Duration = Duration::from_secs(30);

/// The task that moves the bytes of one connection; it ends with its owner.
pub(super) type Driver = JoinSet<()>;

/// The connections of a turn with their clients. Dropping it closes the connections.
pub(super) struct Connected<T> {
    pub(super) lanes: Vec<T>,
    /// The drivers that move bytes for the lanes' clients.
    pub(super) drivers: Vec<Driver>,
    pub(super) connections: usize,
}

impl<T> Connected<T> {
    /// Makes an empty set.
    pub(super) fn none() -> Self {
        Self { lanes: Vec::new(), drivers: Vec::new(), connections: 0 }
    }

    /// Maps each client to a lane.
    pub(super) fn map<U>(self, lane: impl FnMut(T) -> U) -> Connected<U> {
        let Self { lanes, drivers, connections } = self;
        Connected { lanes: lanes.into_iter().map(lane).collect(), drivers, connections }
    }
}

/// Makes `count` connections, a few at a time.
pub(super) async fn dial<T: 'static, F: Future<Output = anyhow::Result<T>> + 'static>(
    count: usize,
    connect: impl Fn() -> F,
) -> anyhow::Result<Vec<T>> {
    let (mut dialling, mut dialled) = (JoinSet::new(), Vec::with_capacity(count));
    for number in 0..count + DIALLING_MAX {
        if number < count {
            dialling.spawn_local(tokio::time::timeout(DIAL_MAX, connect()));
        }
        if number + 1 >= DIALLING_MAX
            && let Some(one) = dialling.join_next().await
        {
            dialled.push(one?.context("connecting took too long")??);
        }
    }
    Ok(dialled)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[tokio::test]
    async fn so_many_connections_are_made_and_never_too_many_at_a_time() {
        for count in [0, 1, DIALLING_MAX - 1, DIALLING_MAX, DIALLING_MAX + 1, 200] {
            let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let local = tokio::task::LocalSet::new();
            let dialled = local.run_until(dial(count, || {
                let (now, most) = (Rc::clone(&now), Rc::clone(&most));
                async move {
                    now.set(now.get() + 1);
                    most.set(most.get().max(now.get()));
                    tokio::task::yield_now().await;
                    now.set(now.get() - 1);
                    Ok(())
                }
            }));
            assert_eq!(dialled.await.unwrap().len(), count);
            assert!(most.get() <= DIALLING_MAX, "{} at a time", most.get());
        }
    }
}
