//! Answers in lines of JSON, as they come: of the gateway that leads, or of all others at the same time. Of each gateway the beginning of
//! one line is kept.

use std::cell::RefCell;

use fleet::{CallError, Heard};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::{Leader, Others, Request, encode, explained, read, wait};

impl Leader<'_> {
    /// Has it carry an order out; `take` gets its lines.
    pub(crate) async fn order<T: DeserializeOwned>(
        &self,
        request: &Request,
        take: &mut dyn FnMut(T) -> bool,
    ) -> anyhow::Result<()> {
        let (mut lines, mut strange) = (Lines::default(), None);
        let mut hear = |bytes: &[u8]| {
            let read = lines.take(bytes, |line| Ok(take(read(&self.name, line)?)));
            read.unwrap_or_else(|error: anyhow::Error| {
                strange = Some(error);
                false
            })
        };
        let called = self.calls.call(&self.name, &encode(request), &mut hear).await;
        match strange {
            Some(error) => Err(error),
            None => called.map_err(explained),
        }
    }
}

impl Others<'_> {
    /// Returns the name of this gateway.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// Returns the names of all others.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Asks all of them at the same time and passes on what each says, with its name, until `own` has ended: then the work at the others ends
    /// at once. `hear` gets their lines, or once why a gateway has no more; false ends the work of that one.
    ///
    /// # Errors
    /// There is no runtime. What a gateway fails by goes to `hear`.
    pub(crate) fn listen<T: DeserializeOwned, E>(
        &self,
        request: &Request,
        own: impl Future<Output = E>,
        hear: &dyn Fn(&str, Result<T, String>) -> bool,
    ) -> anyhow::Result<E> {
        let (open, ended) = oneshot::channel::<()>();
        let own = async move {
            let end = own.await;
            drop(open);
            end
        };
        let stop = async move { drop(ended.await) };
        let all = RefCell::new(self.names.iter().map(|_| Lines::default()).collect::<Vec<_>>());
        let hear_one = |at: usize, heard: Heard<'_>| {
            let name = self.names[at].as_str();
            match heard {
                Heard::Bytes(bytes) => {
                    let each = |line: &[u8]| Ok(hear(name, Ok(read(name, line)?)));
                    let taken = all.borrow_mut()[at].take(bytes, each);
                    taken.unwrap_or_else(|error: anyhow::Error| {
                        hear(name, Err(format!("{error:#}")));
                        false
                    })
                }
                Heard::End(Ok(()) | Err(CallError::Stopped)) => false,
                Heard::End(Err(error)) => hear(name, Err(said(&error))),
            }
        };
        let request = encode(request);
        wait(async { tokio::join!(own, self.calls.hear_each(&self.names, &request, &hear_one, stop)).0 })
    }
}

/// Says why a gateway that only shows something has no more to show.
fn said(error: &CallError) -> String {
    match error {
        CallError::Broken { .. } => {
            "it ended, or one of the two does not reach the broker any more".to_owned()
        }
        CallError::Away { .. }
        | CallError::Busy { .. }
        | CallError::Version { .. }
        | CallError::Refused { .. }
        | CallError::Stopped => error.to_string(),
    }
}

/// Bytes that come in parts, as whole lines.
#[derive(Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// Takes the next bytes and passes each whole line on, until `each` returns false or fails.
    pub(super) fn take<E>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, others) = rest.split_at(end);
            self.0.extend_from_slice(line);
            rest = &others[1..];
            if !each(&std::mem::take(&mut self.0))? {
                return Ok(false);
            }
        }
        self.0.extend_from_slice(rest);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_wherever_they_are_cut() {
        let text = b"{\"one\":1}\n\n{\"two\":2}\n";
        for cut in 0..text.len() {
            let (mut lines, mut heard) = (Lines::default(), Vec::new());
            for part in [&text[..cut], &text[cut..]] {
                let took = lines.take(part, |line| {
                    heard.push(line.to_vec());
                    Ok::<_, ()>(true)
                });
                assert_eq!(took, Ok(true));
            }
            assert_eq!(heard, [b"{\"one\":1}".to_vec(), Vec::new(), b"{\"two\":2}".to_vec()], "{cut}");
            assert!(lines.0.is_empty());
        }
        let mut heard = 0;
        let stopped = Lines::default().take(b"1\n2\n3\n", |_| {
            heard += 1;
            Ok::<_, ()>(heard < 2)
        });
        assert_eq!((stopped, heard), (Ok(false), 2));
    }
}
