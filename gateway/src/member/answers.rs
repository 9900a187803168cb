//! The answers of this gateway to the others of its fleet. What waits for a disk or for the registrar runs on a thread of its own, a few at
//! a time; an order is checked and on record as if it had been given here.

use std::io::{self, Write};
use std::sync::Arc;

use actors::registrar::Receipt;
use anyhow::Context;
use fleet::Pieces;
use ledger::{ExportFormat, TimeRange};
use protocol::{DeviceId, PlaceId};
use registry::operator::Signers;
use runtime::thread;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::across::passages::Found;
use crate::across::{Receipted, Request};
use crate::ending;
use crate::enrol::{self, NoteCertificate};
use crate::operator::OperatorContext;
use crate::operator::orders::{self, Progress, TapAct, Tapped, forward};
use crate::trajectory;

/// The most requests at one time that take a thread: as many as operators' connections.
pub(super) const THREADS_MAX: usize = 8;
/// The bytes of an export that are passed on at once.
const PART_BYTES: usize = 64 * 1024;

/// Answers a request of the gateway `from`.
pub(super) async fn answer(
    (context, threads): (OperatorContext, Arc<Semaphore>),
    from: String,
    request: Vec<u8>,
    pieces: Pieces,
) {
    let request = match read(&request) {
        Ok(Request::Receipt { receipt }) => {
            return pieces.end(query(&context, &receipt).await.map_err(said)).await;
        }
        Ok(request) => request,
        Err(words) => return pieces.end(Err(words)).await,
    };
    let Ok(permit) = threads.try_acquire_owned() else {
        return pieces
            .end(Err("the gateway answers as many others as it can: ask again in a moment".to_owned()))
            .await;
    };
    let work = move |_: &thread::StopToken| {
        let _permit = permit;
        let end = perform(request, &context, &from, &pieces).map_err(said);
        pieces.end_blocking(end);
    };
    if let Err(error) = thread::spawn("peer-act", work) {
        tracing::warn!(%error, "no thread to answer another gateway");
    }
}

/// Reads a request; the words for one of a later release name it.
fn read(request: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(request).map_err(|error| {
        let (name, release) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        format!("{name} {release} does not know that request ({error}): run the same release on all gateways of the fleet")
    })
}

fn said(error: anyhow::Error) -> String {
    ending::words_of(&error)
}

/// Asks with a receipt that a device has read at another gateway.
async fn query(context: &OperatorContext, receipt: &str) -> anyhow::Result<Vec<u8>> {
    let bytes = hex::decode(receipt).ok().and_then(|bytes| Receipt::try_from(bytes).ok());
    let receipt = bytes.context("that is no receipt")?;
    let asked = trajectory::ask(&context.running()?.queries, &receipt).await;
    encode(&Receipted::of(asked.map(|(answer, _)| answer)))
}

/// Does what takes a thread, and returns the end of the answer.
fn perform(
    request: Request,
    context: &OperatorContext,
    from: &str,
    pieces: &Pieces,
) -> anyhow::Result<Vec<u8>> {
    let (directory, days) = &context.log;
    match request {
        Request::Order { order, signatures } => {
            tracing::info!(from, "an order that another gateway was given");
            let mut tell = |progress: &Progress| {
                line(&forward::Line::Progress(progress.clone())).is_ok_and(|line| pieces.tell_blocking(line))
            };
            line(&forward::Line::Ordered(forward::perform_for((&order, &signatures), context, &mut tell)?))
        }
        Request::Record { order, signatures } => {
            tracing::info!(from, "an order that another gateway carries out goes on record");
            encode(&forward::record_for(order, signatures, context)?)
        }
        Request::Look { authority, operators, lookup, case } => {
            encode(&forward::look_for(Signers { authority, operators }, (&lookup, &case), context)?)
        }
        Request::End { entry, done } => encode(&orders::end_here(context, entry, done)?),
        Request::Passages { place, from_ms, to_ms } => {
            tracing::info!(from, "another gateway reads passages at a place");
            let range = TimeRange { place: PlaceId(place), from_ms, to_ms };
            encode(&Found::from(ledger::passages(directory, days, &range)?))
        }
        Request::Punches { from_ms, to_ms } => {
            tracing::info!(from, "another gateway exports this one's log");
            let mut out = Told { pieces, part: Vec::new() };
            ledger::export(directory, days, (ExportFormat::JsonLines, &(from_ms..=to_ms)), &mut out)?;
            Ok(out.part)
        }
        Request::Tap { authority, operators, region, colour, seconds } => {
            tracing::info!(from, operators, "another gateway taps this one's verdicts");
            let (act, by) = (TapAct { region, colour, seconds }, Signers { authority, operators });
            let mut tell = |tapped: Tapped| line(&tapped).is_ok_and(|line| pieces.tell_blocking(line));
            orders::tap_for(&act, &by, context, &mut tell)?;
            Ok(Vec::new())
        }
        Request::Verify => encode(&ledger::verify(directory, days, &context.keys.signing_public())?),
        Request::Reload => {
            tracing::info!(from, "another gateway has all of the fleet read their files again");
            encode(&context.running()?.reload.again(None)?)
        }
        Request::TakeToken { hash } => {
            let hash = hex::decode(hash).ok().and_then(|hash| hash.try_into().ok());
            let hash = hash.context("that is no token's hash")?;
            encode(&enrol::take_token(context, hash, None)?.map(|device| device.0))
        }
        Request::NoteCertificate { device, with, serial, not_after_s } => {
            let note = NoteCertificate { device: DeviceId(device), with, serial, not_after_s };
            encode(&enrol::note_certificate(context, note)?)
        }
        Request::Receipt { receipt } => crate::across::wait(query(context, &receipt))?,
    }
}

fn encode(answer: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec(answer)?)
}

fn line(answer: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut line = encode(answer)?;
    line.push(b'\n');
    Ok(line)
}

/// Passes on what is written, in parts; the last one stays.
struct Told<'a> {
    pieces: &'a Pieces,
    part: Vec<u8>,
}

impl Write for Told<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART_BYTES && !self.pieces.tell_blocking(std::mem::take(&mut self.part)) {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the other gateway takes no more"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_a_later_release_is_refused_by_its_name() {
        let known = serde_json::to_vec(&Request::Punches { from_ms: 1, to_ms: 2 }).unwrap();
        assert!(read(&known).is_ok());
        for (request, expected) in [
            (&br#"{"dance":{"steps":3}}"#[..], "`dance`"),
            (br#"{"punches":{"from_ms":1}}"#, "to_ms"),
            (b"", "does not know"),
        ] {
            let words = read(request).err().expect("no request");
            assert!(words.contains(expected) && words.contains("same release"), "{words}");
        }
    }
}
