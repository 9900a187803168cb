//! The offered rate over time: linear pieces, one after another, and the moment at which a given number of people has come.
//! Pure: no clock, no randomness.

use super::{Stage, StageKind};

/// A piece over which the rate changes evenly.
#[derive(Clone, Copy, Debug)]
struct Piece {
    stage: usize,
    start_s: f64,
    seconds: f64,
    from: f64,
    to: f64,
    /// The number of people before it.
    before: f64,
}

/// The rate of a whole run.
#[derive(Clone, Debug)]
pub struct Curve {
    pieces: Vec<Piece>,
}

impl Piece {
    fn people(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.seconds
    }

    /// Returns the seconds into it at which that many of its people have come.
    fn seconds_at(&self, people: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        // Of people = from·t + slope/2·t², in the form that does not cancel when the slope is small.
        let root = (self.from * self.from + 2.0 * slope * people).max(0.0).sqrt();
        (2.0 * people / (self.from + root)).clamp(0.0, self.seconds)
    }
}

impl Curve {
    /// Makes the curve of checked stages: lengths above zero, rates not below it.
    pub fn of(stages: &[Stage]) -> Self {
        let mut curve = Self { pieces: Vec::new() };
        let mut rate = 0.0;
        for (index, stage) in stages.iter().enumerate() {
            let to = stage.rate.unwrap_or(rate);
            match stage.kind {
                StageKind::Hold => curve.push(index, stage.seconds, rate, rate),
                StageKind::Step => curve.push(index, stage.seconds, to, to),
                StageKind::Ramp => curve.push(index, stage.seconds, rate, to),
                StageKind::Spike => {
                    curve.push(index, stage.seconds / 2.0, rate, to);
                    curve.push(index, stage.seconds / 2.0, to, rate);
                }
            }
            rate = if stage.kind == StageKind::Spike { rate } else { to };
        }
        curve
    }

    fn push(&mut self, stage: usize, seconds: f64, from: f64, to: f64) {
        let (start_s, before) = (self.seconds(), self.people());
        self.pieces.push(Piece { stage, start_s, seconds, from, to, before });
    }

    /// Returns its length, seconds.
    pub fn seconds(&self) -> f64 {
        self.pieces.last().map_or(0.0, |piece| piece.start_s + piece.seconds)
    }

    /// Returns the mean number of people in all.
    pub fn people(&self) -> f64 {
        self.pieces.last().map_or(0.0, |piece| piece.before + piece.people())
    }

    /// Returns the time, seconds, at which that many people have come, and its stage; `None` if fewer come.
    pub fn moment(&self, people: f64) -> Option<(f64, usize)> {
        let at = self.pieces.partition_point(|piece| piece.before + piece.people() <= people);
        let piece = self.pieces.get(at)?;
        Some((piece.start_s + piece.seconds_at(people - piece.before), piece.stage))
    }

    /// Returns people a second at that moment.
    pub fn rate(&self, at_s: f64) -> f64 {
        let piece = self.pieces.iter().rfind(|piece| piece.start_s <= at_s);
        piece.map_or(0.0, |piece| {
            let part = ((at_s - piece.start_s) / piece.seconds).clamp(0.0, 1.0);
            piece.from + (piece.to - piece.from) * part
        })
    }

    /// Returns start and end of a stage, seconds.
    pub fn span(&self, stage: usize) -> (f64, f64) {
        let of_stage = || self.pieces.iter().filter(|piece| piece.stage == stage);
        let from = of_stage().next().map_or(0.0, |piece| piece.start_s);
        (from, of_stage().next_back().map_or(from, |piece| piece.start_s + piece.seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(kind: StageKind, seconds: f64, rate: Option<f64>) -> Stage {
        Stage { name: String::new(), kind, seconds, rate, warm_up: false }
    }

    fn all_kinds() -> Curve {
        Curve::of(&[
            stage(StageKind::Step, 10.0, Some(100.0)),
            stage(StageKind::Ramp, 10.0, Some(300.0)),
            stage(StageKind::Hold, 5.0, None),
            stage(StageKind::Spike, 10.0, Some(500.0)),
            stage(StageKind::Hold, 1.0, None),
            stage(StageKind::Ramp, 4.0, Some(0.0)),
        ])
    }

    #[test]
    fn people_are_the_area_under_the_rate() {
        let curve = all_kinds();
        assert!((curve.seconds() - 40.0).abs() < 1e-9);
        assert!((curve.people() - (1000.0 + 2000.0 + 1500.0 + 4000.0 + 300.0 + 600.0)).abs() < 1e-6);
        assert_eq!(curve.span(3), (25.0, 35.0));
    }

    #[test]
    fn the_moment_of_a_count_is_where_the_area_reaches_it() {
        for (people, seconds, stage) in [
            (0.0, 0.0, 0),
            (500.0, 5.0, 0),
            (1000.0, 10.0, 1),
            (1000.0 + 1250.0 / 2.0, 10.0 + 4.354_143_467, 1),
            (3000.0, 20.0, 2),
            (4500.0 + 2000.0, 30.0, 3),
            (8799.999, 35.999_996, 4),
        ] {
            let (at, of) = all_kinds().moment(people).unwrap();
            assert!((at - seconds).abs() < 1e-3 && of == stage, "{people}: {at} in {of}");
        }
        assert!(all_kinds().moment(9400.0).is_none());
    }

    #[test]
    fn counts_over_any_second_follow_the_rate() {
        let curve = all_kinds();
        let mut seconds = [0u32; 40];
        (0..9400).filter_map(|n| curve.moment(f64::from(n))).for_each(|(at, _)| seconds[at as usize] += 1);
        for (second, count) in seconds.iter().enumerate() {
            let expected = (curve.rate(second as f64 + 0.0) + curve.rate(second as f64 + 1.0 - 1e-9)) / 2.0;
            assert!((f64::from(*count) - expected).abs() <= 1.5, "second {second}: {count} of {expected}");
        }
    }
}
