//! A round on a full disk: only punches are refused. The disk's state is in `preallocation`.

use protocol::{Epoch, Sequence};
use runtime::clock::Reading;

use super::Writer;
use crate::disk::Disk;
use crate::format::{self, RUN_BYTES};
use crate::log::CommitError;
use crate::{AppendOutcome, HelloOutcome, Message};

impl<D: Disk + Clone> Writer<D> {
    /// Answers punches `Busy` and returns the other messages that can be answered. A hello that reports a loss needs space, from the reserve,
    /// because the loss has to be recorded before the numbering continues above it; other hellos need none.
    pub(super) fn handle_disk_full(&mut self, messages: Vec<Message>, at: &Reading) -> Vec<Message> {
        let (punches, hellos): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| matches!(message, Message::Append { .. }));
        punches.into_iter().for_each(|message| message.refuse(&AppendOutcome::Busy, HelloOutcome::Busy));
        let losses = hellos.iter().filter(|hello| self.reports_a_loss(hello)).count();
        if losses == 0 {
            return hellos;
        }
        let bytes = format::batch_bytes(losses, losses * RUN_BYTES) as u64;
        match self.preallocation.prepare_critical(&mut self.log, bytes, at) {
            Ok(()) => hellos,
            Err(CommitError::Full) => {
                let (losses, hellos) = hellos.into_iter().partition(|hello| self.reports_a_loss(hello));
                let losses: Vec<Message> = losses;
                losses.into_iter().for_each(|hello| hello.refuse(&AppendOutcome::Busy, HelloOutcome::Busy));
                hellos
            }
            Err(poison @ CommitError::Poison(_)) => {
                self.refuse(hellos, poison);
                Vec::new()
            }
        }
    }

    /// Reports a message that leads to the record of a loss.
    fn reports_a_loss(&self, message: &Message) -> bool {
        let (device, epoch, acknowledged, held) = match message {
            Message::Hello { device, epoch, acknowledged, held, reply: _ } => {
                (*device, *epoch, *acknowledged, *held)
            }
            Message::Missing { .. } => return true,
            Message::Append { .. } | Message::CheckHello { .. } | Message::Marks { .. } => return false,
        };
        let known = self.log.marks.get(device).unwrap_or((Epoch(0), Sequence(0)));
        match epoch.cmp(&known.0) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => acknowledged > known.1.max(held),
            std::cmp::Ordering::Greater => acknowledged > held,
        }
    }
}
