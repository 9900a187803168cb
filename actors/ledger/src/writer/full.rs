//! A round on a disk without room: punches are turned away, and nothing else. How room is found is in `room`.

use protocol::{Epoch, Sequence};
use runtime::clock::Reading;

use super::Writer;
use crate::disk::Disk;
use crate::format::{self, RUN_BYTES};
use crate::log::CommitError;
use crate::{HelloOutcome, Message, Outcome};

impl<D: Disk + Clone> Writer<D> {
    /// Answers punches `Busy`, and gives the hellos that can be answered all the same: one that only reads asks for no room. A
    /// loss has to be on record before the numbering goes on above it, in room that is kept back for it.
    pub(super) fn without_room(&mut self, messages: Vec<Message>, at: &Reading) -> Vec<Message> {
        let (hellos, punches): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| matches!(message, Message::Hello { .. }));
        punches.into_iter().for_each(|message| message.refuse(Outcome::Busy, HelloOutcome::Busy));
        let losses = hellos.iter().filter(|hello| self.tells_a_loss(hello)).count();
        if losses == 0 {
            return hellos;
        }
        let bytes = format::batch_bytes(losses, losses * RUN_BYTES) as u64;
        match self.room.make_in_need(&mut self.log, bytes, at) {
            Ok(()) => hellos,
            Err(CommitError::Full) => {
                let (losses, hellos) = hellos.into_iter().partition(|hello| self.tells_a_loss(hello));
                let losses: Vec<Message> = losses;
                losses.into_iter().for_each(|hello| hello.refuse(Outcome::Busy, HelloOutcome::Busy));
                hellos
            }
            Err(poison @ CommitError::Poison(_)) => {
                self.refuse(hellos, poison);
                Vec::new()
            }
        }
    }

    /// Says whether it would put something on record.
    fn tells_a_loss(&self, message: &Message) -> bool {
        let Message::Hello { device, epoch, acknowledged, reply: _ } = message else { return false };
        let known = self.log.marks.get(*device).unwrap_or((Epoch(0), Sequence(0)));
        match epoch.cmp(&known.0) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => *acknowledged > known.1,
            std::cmp::Ordering::Greater => acknowledged.0 > 0,
        }
    }
}
