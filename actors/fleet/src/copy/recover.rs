//! The reading of a lost gateway's copy: its day keys are opened with the recovery key's private half, and its punches are exported as
//! from the log itself. Nothing is changed at the broker.

use std::io::Write;
use std::ops::RangeInclusive;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;
use keys::recovery::RecoverySecret;
use ledger::{CopyExport, CopyReport, ExportFormat, LedgerError};

use super::store::COPY_STREAM;
use super::{days, message};
use crate::broker::{self, asked};
use crate::{FleetConfig, Trouble};

/// The reason for which a copy is not exported, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The broker, or what it has.
    #[error(transparent)]
    Fleet(#[from] Trouble),
    /// The copy's batches, or the output.
    #[error(transparent)]
    Log(#[from] LedgerError),
    /// The operating system.
    #[error("a runtime cannot be started")]
    Runtime(#[source] std::io::Error),
}

/// Exports the punches that a gateway's copy has, received in that time (milliseconds since 1970 UTC), in the order of its log.
///
/// # Errors
/// The broker does not answer or has no such copy, the private half is another pair's, the copy is damaged, or an error of the output.
pub fn recover(
    config: &FleetConfig,
    name: &str,
    secret: &RecoverySecret,
    (format, received_ms): (ExportFormat, RangeInclusive<u64>),
    out: &mut dyn Write,
) -> Result<CopyReport, RecoverError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(RecoverError::Runtime)?.block_on(async {
        let context = jetstream::new(broker::connect(config).await?);
        let opened = days::open(&context, name, secret).await?;
        let keys = opened.keys.iter().map(|(day, key)| (day.as_str(), &**key));
        let mut export = CopyExport::new(keys, (format, received_ms), out);
        read(&context, name, &mut export).await?;
        Ok(export.finish()?)
    })
}

/// Reads the copy up to its present end.
async fn read(context: &Context, name: &str, export: &mut CopyExport<'_>) -> Result<(), RecoverError> {
    let stream = asked(context.get_stream(format!("{COPY_STREAM}{name}"))).await?;
    let state = asked(stream.get_info()).await?.state;
    if state.messages == 0 {
        return Ok(());
    }
    let config = OrderedConfig { deliver_policy: DeliverPolicy::All, ..OrderedConfig::default() };
    let consumer = asked(stream.create_consumer(config)).await?;
    let mut messages = asked(consumer.messages()).await?;
    loop {
        let lost = |error: String| Trouble::Broker(error);
        let next = messages.next().await.ok_or_else(|| lost("the copy's messages ended".to_owned()))?;
        let received = next.map_err(|error| lost(error.to_string()))?;
        let sequence = received.info().map_err(|error| lost(error.to_string()))?.stream_sequence;
        let read = received.headers.as_ref().and_then(|headers| message::read(headers, &received.payload));
        let unknown =
            || Trouble::Copy(format!("message {sequence} of the copy has a format of another release"));
        export.take(&read.ok_or_else(unknown)?)?;
        if sequence >= state.last_sequence {
            return Ok(());
        }
    }
}
