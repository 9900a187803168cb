//! One direction of one path: the fate of each packet, decided from a seed, the packet's length and the time at which it is sent.
//! Pure: no socket, no clock.

use std::time::Duration;

use fastrand::Rng;

use super::Conditions;

/// The least additional delay of a packet held back, far above a loopback's round trip, so that later packets are
/// acknowledged first and the sender takes it for lost.
const HOLD_MS_MIN: u64 = 5;
/// The largest additional delay of a packet held back, below any deadline of a device.
const HOLD_MS_MAX: u64 = 25;
/// The largest delay of a second copy after the first: it may come after the first was answered.
const COPY_LATE_MS_MAX: u64 = 20;

const _: () = assert!(HOLD_MS_MIN < HOLD_MS_MAX);

/// The delivery of one copy of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The time of arrival, from the same start as the time of sending.
    pub due: Duration,
    /// The flipped bit, from 0; bit 0 is the lowest of the first byte.
    pub flipped: Option<u32>,
}

/// The fate of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A packet that never arrives.
    Dropped,
    /// A packet that arrives.
    Delivered {
        /// The packet.
        first: Delivery,
        /// Its second copy.
        copy: Option<Delivery>,
        /// True if it was held back, so that later packets may overtake it.
        held: bool,
    },
}

/// One direction of one path.
#[derive(Debug)]
pub struct Link {
    random: Rng,
    conditions: Conditions,
    /// The arrival time of the last packet that was not held back.
    last: Duration,
}

impl Link {
    /// Makes a link on which nothing was sent yet. The same seed, conditions, lengths and times give the same fates.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self { random: Rng::with_seed(seed), conditions, last: Duration::ZERO }
    }

    /// Applies other conditions to packets from now on. They may overtake packets in flight, as on a new route.
    pub fn set(&mut self, conditions: Conditions) {
        self.conditions = conditions;
        self.last = Duration::ZERO;
    }

    /// Decides the fate of the next packet. `at` is the time of sending since any fixed start, and never goes back.
    pub fn fate(&mut self, bytes: usize, at: Duration) -> Fate {
        let draws = Draws::next(&mut self.random);
        let conditions = self.conditions;
        if conditions.partition || draws.loss < conditions.loss {
            return Fate::Dropped;
        }
        let late = ms(conditions.delay_ms.into()) + ms(conditions.jitter_ms.into()).mul_f64(draws.late);
        let in_turn = (at + late).max(self.last);
        let held = draws.reorder < conditions.reorder;
        let due = if held {
            in_turn + ms(HOLD_MS_MIN) + ms(HOLD_MS_MAX - HOLD_MS_MIN).mul_f64(draws.held_for)
        } else {
            self.last = in_turn;
            in_turn
        };
        let flipped = |draw: [f64; 2]| (draw[0] < conditions.corrupt).then(|| bit(bytes, draw[1])).flatten();
        let first = Delivery { due, flipped: flipped(draws.flips[0]) };
        let copy = (draws.duplicate < conditions.duplicate).then(|| Delivery {
            due: due + ms(COPY_LATE_MS_MAX).mul_f64(draws.copy_late),
            flipped: flipped(draws.flips[1]),
        });
        Fate::Delivered { first, copy, held }
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Chooses one of a packet's bits; `None` if it is empty.
fn bit(bytes: usize, draw: f64) -> Option<u32> {
    let bits = bytes * 8;
    (bits > 0).then_some((bits as f64 * draw) as u32)
}

/// The random numbers for one packet, each from 0 to below 1. Every packet takes all of them, so that the numbers of later packets do not
/// depend on the conditions so far.
struct Draws {
    loss: f64,
    late: f64,
    reorder: f64,
    held_for: f64,
    duplicate: f64,
    copy_late: f64,
    /// For the packet and its copy: if a bit is flipped, and which one.
    flips: [[f64; 2]; 2],
}

impl Draws {
    fn next(random: &mut Rng) -> Self {
        Self {
            loss: random.f64(),
            late: random.f64(),
            reorder: random.f64(),
            held_for: random.f64(),
            duplicate: random.f64(),
            copy_late: random.f64(),
            flips: [[random.f64(), random.f64()], [random.f64(), random.f64()]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: u64 = 20_000;

    fn seed() -> u64 {
        let seed = device::clock::now_ms();
        println!("seed {seed}");
        seed
    }

    /// Returns the fates of packets of growing length, one a millisecond.
    fn fates(seed: u64, conditions: Conditions) -> Vec<Fate> {
        let mut link = Link::new(seed, conditions);
        (0..PACKETS).map(|at| link.fate(1 + at as usize % 1200, ms(at))).collect()
    }

    /// Returns the share of packets that arrive and satisfy `is`.
    fn share(fates: &[Fate], is: impl Fn(&Delivery, &Option<Delivery>, bool) -> bool) -> f64 {
        let found = fates.iter().filter(|fate| match fate {
            Fate::Delivered { first, copy, held } => is(first, copy, *held),
            Fate::Dropped => false,
        });
        found.count() as f64 / fates.len() as f64
    }

    fn near(share: f64, probability: f64) {
        // Six standard deviations: once in five hundred million runs by chance.
        let most = 6.0 * (probability * (1.0 - probability) / PACKETS as f64).sqrt();
        assert!((share - probability).abs() <= most, "{share} is not {probability}");
    }

    #[test]
    fn each_chance_is_as_likely_as_it_is_said_to_be() {
        let seed = seed();
        for p in [0.0, 0.01, 0.1, 0.3, 1.0] {
            let with = |change: fn(&mut Conditions, f64)| {
                let mut conditions = Conditions::default();
                change(&mut conditions, p);
                fates(seed, conditions)
            };
            near(share(&with(|all, p| all.loss = p), |_, _, _| true), 1.0 - p);
            near(share(&with(|all, p| all.duplicate = p), |_, copy, _| copy.is_some()), p);
            near(share(&with(|all, p| all.corrupt = p), |first, _, _| first.flipped.is_some()), p);
            near(share(&with(|all, p| all.reorder = p), |_, _, held| held), p);
        }
    }

    #[test]
    fn the_same_seed_and_packets_have_the_same_fates() {
        let mut random = Rng::with_seed(seed());
        for _ in 0..200 {
            let conditions = Conditions {
                loss: random.f64() / 2.0,
                duplicate: random.f64(),
                corrupt: random.f64(),
                reorder: random.f64(),
                delay_ms: random.u32(..100),
                jitter_ms: random.u32(..100),
                partition: random.u8(..8) == 0,
            };
            let mut at = Duration::ZERO;
            let packets: Vec<_> = (0..100)
                .map(|_| {
                    at += Duration::from_micros(random.u64(..5000));
                    (random.usize(..1500), at)
                })
                .collect();
            let run = |seed| {
                let mut link = Link::new(seed, conditions);
                packets.iter().map(|(bytes, at)| link.fate(*bytes, *at)).collect::<Vec<_>>()
            };
            let seed = random.u64(..);
            assert_eq!(run(seed), run(seed), "{conditions:?}");
            assert!(conditions.partition || run(seed) != run(seed + 1), "{conditions:?}");
        }
    }

    #[test]
    fn nothing_arrives_early_and_every_flipped_bit_is_one_of_the_packet() {
        let all =
            Conditions { duplicate: 0.5, corrupt: 1.0, reorder: 0.3, jitter_ms: 9, ..Conditions::default() };
        for (at, fate) in (0..).zip(fates(seed(), all)) {
            let Fate::Delivered { first, copy, .. } = fate else { panic!("nothing is to be lost") };
            for delivery in [Some(first), copy].into_iter().flatten() {
                assert!(delivery.due >= first.due && first.due >= ms(at));
                let bit = delivery.flipped.expect("every packet is corrupted");
                assert!(bit < (1 + at as u32 % 1200) * 8);
            }
        }
        let mut link = Link::new(1, all);
        let Fate::Delivered { first, .. } = link.fate(0, Duration::ZERO) else {
            panic!("nothing is to be lost")
        };
        assert_eq!(first.flipped, None, "an empty packet has no bit");
    }

    #[test]
    fn only_what_is_held_back_is_overtaken() {
        let seed = seed();
        for (reorder, overtaken) in [(0.0, false), (0.1, true)] {
            let jitter = Conditions { delay_ms: 3, jitter_ms: 50, reorder, ..Conditions::default() };
            let mut latest = Duration::ZERO;
            let mut passed_by = 0;
            for fate in fates(seed, jitter).iter().rev() {
                // From the end: something sent later and due earlier has overtaken it.
                let Fate::Delivered { first, held, .. } = fate else { panic!("nothing is to be lost") };
                if latest != Duration::ZERO && first.due > latest {
                    assert!(*held);
                    passed_by += 1;
                }
                latest = if latest == Duration::ZERO { first.due } else { latest.min(first.due) };
            }
            assert_eq!(passed_by > PACKETS / 20, overtaken, "{passed_by} of {PACKETS} with {reorder}");
        }
    }

    #[test]
    fn a_partition_stops_everything_until_it_heals_and_changes_no_later_draw() {
        let seed = seed();
        let lossy = Conditions { loss: 0.5, ..Conditions::default() };
        let undisturbed = fates(seed, lossy);
        let mut link = Link::new(seed, Conditions { partition: true, ..lossy });
        for (at, expected) in (0..).zip(undisturbed) {
            if at == 1000 {
                link.set(lossy);
            }
            let fate = link.fate(1 + at as usize % 1200, ms(at));
            assert_eq!(fate, if at < 1000 { Fate::Dropped } else { expected });
        }
    }
}
