//! The numbering of a device that says hello: what this gateway's log holds, and in a fleet what the other gateways' logs hold.

use fleet::Peers;
use ledger::{HelloOutcome, LedgerHandle};
use protocol::DeviceId;
use protocol::message::Hello;

/// Returns the state of the device's numbering. A gateway of a fleet that knows less than the device holds asks the others first, for a
/// second at most, and only what no log holds is lost.
pub(super) async fn known(
    ledger: &LedgerHandle,
    peers: Option<&Peers>,
    device: DeviceId,
    hello: Hello,
) -> HelloOutcome {
    let Hello { epoch, acknowledged } = hello;
    let Some(peers) = peers.filter(|_| acknowledged.0 > 0) else {
        return ledger.hello(device, epoch, acknowledged).await;
    };
    let recorded = match ledger.check_hello(device, epoch, acknowledged).await {
        Ok(recorded) => recorded,
        Err(refused) => return refused,
    };
    if acknowledged <= recorded {
        return ledger.hello(device, epoch, acknowledged).await;
    }
    let held = peers.held((device, epoch), recorded, acknowledged).await;
    ledger.hello_beside(device, epoch, acknowledged, held).await
}
