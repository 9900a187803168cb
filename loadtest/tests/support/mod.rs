//! A small gateway: real QUIC, a correct record in memory, and every disturbance that a device may meet.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test says what failed by panicking")]

pub(crate) mod city;
pub(crate) mod lie;
pub(crate) mod stand_in;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bench::floor::server;
use device::Fleet;
use protocol::codec::Bounded;
use protocol::message::{
    Answer, Busy, BusyReason, Drain, Error, Gap, Pong, PunchBatch, Request, Verdicts, Welcome,
};
use protocol::{Epoch, ErrorCode, FrameReader, RequestId, Sequence, Verdict, frame, limits};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Devices in the fleet file.
pub(crate) const DEVICES: u64 = 3;

/// The gateway's record of each epoch: the device's times, by sequence.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) epochs: HashMap<Epoch, Vec<u64>>,
}

/// The disturbances of a gateway.
#[derive(Clone, Copy, Default)]
pub(crate) struct Nuisance {
    pub(crate) seed: u64,
    /// The number of 256 batches that are answered with `Busy` (or `Gap`, cut off before or after recording, followed by `Drain`).
    pub(crate) busy: u8,
    pub(crate) gap: u8,
    pub(crate) cut: u8,
    pub(crate) drain: u8,
    /// Refuses every epoch up to this one.
    pub(crate) epoch_behind: u32,
}

#[derive(Clone)]
pub(crate) struct Gateway {
    record: Arc<Mutex<Record>>,
    nuisance: Nuisance,
}

impl Gateway {
    pub(crate) fn start(fleet: &Fleet, nuisance: Nuisance) -> (Self, quinn::Endpoint) {
        let gateway = Self { record: Arc::default(), nuisance };
        let endpoint = server::endpoint(fleet, 64 * 1024).unwrap();
        tokio::spawn(gateway.clone().accept(endpoint.clone()));
        (gateway, endpoint)
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self, endpoint: quinn::Endpoint) {
        let mut connections = 0;
        while let Some(incoming) = endpoint.accept().await {
            connections += 1;
            let random = fastrand::Rng::with_seed(self.nuisance.seed.wrapping_mul(1000) + connections);
            tokio::spawn(self.clone().serve(incoming, random));
        }
    }

    async fn serve(self, incoming: quinn::Incoming, mut random: fastrand::Rng) -> Option<()> {
        let connection = incoming.await.ok()?;
        let (mut send, mut receive) = connection.accept_bi().await.ok()?;
        let (mut reader, mut epoch, mut refusing, mut drained) =
            (FrameReader::default(), Epoch(0), false, false);
        while let Some(chunk) = receive.read_chunk(64 * 1024, true).await.ok()? {
            reader.push(&chunk.bytes);
            let mut out = Vec::new();
            while let Some(frame) = reader.next_frame().unwrap() {
                let answer = match frame.request().unwrap() {
                    Request::Hello(hello) => {
                        epoch = hello.epoch;
                        self.hello(epoch)
                    }
                    Request::Ping(ping) => {
                        Answer::Pong(Pong { device_time_ms: ping.device_time_ms, gateway_time_ms: 1 })
                    }
                    // Queries have streams of their own.
                    Request::TrajectoryQuery(_) => return None,
                    Request::Verify(verify) => verdicts(0, verify.scanned.0.len()),
                    Request::PunchBatch(batch) => {
                        if random.u8(..) < self.nuisance.cut {
                            if random.bool() {
                                self.punches(epoch, &batch);
                            }
                            return None;
                        }
                        if !drained && random.u8(..) < self.nuisance.drain {
                            drained = true;
                            push(frame.request, &Answer::Drain(Drain { reconnect_after_ms: 2 }), &mut out);
                        }
                        refusing |= random.u8(..) < self.nuisance.busy;
                        let expected = self.record().epochs.entry(epoch).or_default().len() as u64 + 1;
                        if refusing && random.bool() {
                            Answer::Busy(Busy { retry_after_ms: 1, reason: BusyReason::Region })
                        } else if random.u8(..) < self.nuisance.gap {
                            Answer::Gap(Gap { expected: Sequence(expected) })
                        } else {
                            refusing &= batch.first.0 > expected;
                            self.punches(epoch, &batch)
                        }
                    }
                };
                push(frame.request, &answer, &mut out);
            }
            send.write_all(&out).await.ok()?;
        }
        Some(())
    }

    fn hello(&self, epoch: Epoch) -> Answer {
        if epoch.0 <= self.nuisance.epoch_behind {
            return Answer::Error(Error::new(ErrorCode::EpochBehind, self.nuisance.epoch_behind.into()));
        }
        let recorded = self.record().epochs.entry(epoch).or_default().len() as u64;
        Answer::Welcome(Welcome {
            gateway_time_ms: 1,
            recorded: Sequence(recorded),
            window_punches: 64,
            batch_punches_max: 16,
            idle_ms: limits::IDLE_MS_MAX as u32,
        })
    }

    fn punches(&self, epoch: Epoch, batch: &PunchBatch) -> Answer {
        let mut record = self.record();
        let times = record.epochs.entry(epoch).or_default();
        if batch.first.0 > times.len() as u64 + 1 {
            return Answer::Gap(Gap { expected: Sequence(times.len() as u64 + 1) });
        }
        let known = times.len() + 1 - batch.first.0 as usize;
        times.extend(batch.punches.0.iter().skip(known).map(|punch| punch.device_time_ms));
        verdicts(batch.first.0, batch.punches.0.len())
    }
}

fn push(request: RequestId, answer: &Answer, out: &mut Vec<u8>) {
    frame::write_answer(request, answer, out).unwrap();
}

fn verdicts(first: u64, count: usize) -> Answer {
    let verdict = Verdict::ask_staff(protocol::Reason::NotLoaded);
    Answer::Verdicts(Verdicts {
        first: Sequence(first),
        as_of_ms: 1,
        verdicts: Bounded(vec![verdict; count]),
    })
}

/// Makes a fleet file with its own authority; devices connect to the address that `set_address` sets.
pub(crate) fn fleet(folder: &Path) -> Fleet {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("ca.pem", &authority.pem());
    for name in ["localhost".to_owned()].into_iter().chain((1..=DEVICES).map(|id| format!("d{id}"))) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.clone()]).unwrap();
        write(&format!("{name}.pem"), &params.signed_by(&key, &authority).unwrap().pem());
        write(&format!("{name}.key"), &key.serialize_pem());
    }
    write("codes.csv", "code,colour,basis,class\n7,unknown,nothing,person\n8,unknown,nothing,ward\n");
    write_fleet(folder, 1);
    Fleet::load(folder).unwrap()
}

/// Writes the fleet file anew, with the port that the gateway got.
pub(crate) fn write_fleet(folder: &Path, port: u16) {
    let device = |id| {
        format!(
            r#"{{"id":{id},"class":"gate","certificate":"d{id}.pem","key":"d{id}.key","places":[{{"place":1,"region":1}}]}}"#
        )
    };
    let devices: Vec<_> = (1..=DEVICES).map(device).collect();
    let text = format!(
        r#"{{"version":1,"server_name":"localhost","quic":["127.0.0.1:{port}"],"http":"127.0.0.1:1","enrol":"127.0.0.1:1",
        "ca":"ca.pem","server_certificate":"localhost.pem","server_key":"localhost.key","data":".","binary":"export",
        "token_key":{{"id":1,"hex":"00000000000000000000000000000000"}},"codes":"codes.csv","legacy_samples":[],
        "devices":[{}]}}"#,
        devices.join(",")
    );
    fs::write(folder.join("fleet.json"), text).unwrap();
}
