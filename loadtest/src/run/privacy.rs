//! The search for this run's personal data in the gateway's log and metrics, where none may be. Finds are reported by
//! place, and never shown.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;

use super::city::figures;
use crate::http;

/// The size of the pieces in which a log is read; a needle across two of them is found as well.
const PIECE_BYTES: usize = 1024 * 1024;

/// The searched places and those with a find, in words.
#[derive(Default)]
pub(super) struct Searched {
    pub(super) places: Vec<String>,
    pub(super) leaked: Vec<String>,
}

/// Reads the metrics of each gateway.
pub(super) fn metrics(addresses: impl IntoIterator<Item = SocketAddr>) -> io::Result<Vec<String>> {
    let read = |address| {
        let (_, metrics) = http::block_on(figures::get(address, "/metrics")).map_err(io::Error::other)?;
        Ok(metrics)
    };
    addresses.into_iter().map(read).collect()
}

/// Looks for the needles in the gateways' logs, if they are ours, and in their metrics.
pub(super) fn search(needles: &[String], logs: &[&Path], metrics: &[String]) -> io::Result<Searched> {
    let mut searched = Searched::default();
    let mut look = |place: &str, found: bool| {
        searched.places.push(place.to_owned());
        searched.leaked.extend(found.then(|| place.to_owned()));
    };
    for log in logs {
        look("the gateway's log", holds(File::open(log)?, needles)?);
    }
    for metrics in metrics {
        look("the gateway's metrics", holds(metrics.as_bytes(), needles)?);
    }
    Ok(searched)
}

/// Returns true if the text contains any needle.
fn holds(mut text: impl Read, needles: &[String]) -> io::Result<bool> {
    let longest = needles.iter().map(String::len).max().unwrap_or(0);
    let mut piece = Vec::with_capacity(PIECE_BYTES + longest);
    loop {
        let read = text.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
        let hit = |needle: &String| piece.windows(needle.len()).any(|window| window == needle.as_bytes());
        if needles.iter().filter(|needle| !needle.is_empty()).any(hit) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        piece.drain(..piece.len().saturating_sub(longest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_wherever_it_stands() {
        let needles = ["16399990001".to_owned(), String::new()];
        for at in [0, 5, PIECE_BYTES - 4, PIECE_BYTES, 2 * PIECE_BYTES - 11] {
            let mut text = vec![b'1'; 2 * PIECE_BYTES];
            assert!(!holds(&*text, &needles).unwrap());
            text[at..at + 11].copy_from_slice(needles[0].as_bytes());
            assert!(holds(&*text, &needles).unwrap(), "at {at}");
        }
    }
}
