//! The moving-block bootstrap: the variation of a figure between runs, estimated from blocks of neighbouring intervals
//! drawn with replacement. Blocks keep the correlation in time; stages are drawn apart, because the plan and not chance decides
//! how much of each there is. With several runs a side, runs are drawn first.

use hdrhistogram::Histogram;

/// Draws for one confidence interval. The outermost 25 on each side decide its ends.
const DRAWS: usize = 1000;
/// The approximate number of stretches of one run; a stretch may be several intervals. Each takes a row of bins in memory.
const STRETCHES: usize = 300;
/// The ratio of a bin's end to its start. Within it values count as evenly spread, so it is far finer than any margin.
const BIN_RATIO: f64 = 1.01;
/// The number of bins: up to 4.5 hours in microseconds; the last one takes longer values too.
const BINS: usize = 2360;

/// Intervals of one run by stage, in order.
pub(super) type ByStage<T> = Vec<Vec<T>>;

/// A figure of both sides and the confidence interval of its ratio.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) a: f64,
    pub(super) b: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// One side of the comparison: runs cut into stretches of time.
pub(super) trait Side {
    /// Returns for each run, for each stage, its first stretch and the one after its last.
    fn stages(&self) -> &[Vec<(usize, usize)>];
}

/// A sample of a side's stretches, with replacement.
pub(super) struct Sample<'a, S> {
    side: &'a S,
    /// For each block: run, first stretch, the one after the last.
    blocks: Vec<(usize, usize, usize)>,
}

/// Returns the confidence interval of each figure's ratio.
pub(super) fn ratios<S: Side, const N: usize>(
    sides: &[S; 2],
    figures: impl Fn(&Sample<'_, S>) -> [f64; N],
    random: &mut fastrand::Rng,
) -> [Range; N] {
    let [a, b] = sides.each_ref().map(|side| figures(&Sample::whole(side)));
    let mut drawn: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(DRAWS));
    for _ in 0..DRAWS {
        let [a, b] = sides.each_ref().map(|side| figures(&Sample::drawn(side, random)));
        for (figure, ratios) in drawn.iter_mut().enumerate() {
            ratios.push(b[figure] / a[figure]);
        }
    }
    std::array::from_fn(|figure| {
        let ratios = &mut drawn[figure];
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[DRAWS / 40], ratios[DRAWS - 1 - DRAWS / 40]);
        Range { a: a[figure], b: b[figure], low, high }
    })
}

impl<'a, S: Side> Sample<'a, S> {
    fn whole(side: &'a S) -> Self {
        let stages = side.stages().iter().enumerate();
        let blocks = stages.flat_map(|(run, stages)| stages.iter().map(move |(from, to)| (run, *from, *to)));
        Self { side, blocks: blocks.collect() }
    }

    fn drawn(side: &'a S, random: &mut fastrand::Rng) -> Self {
        let runs = side.stages();
        let mut blocks = Vec::new();
        for _ in runs {
            let run = random.usize(..runs.len());
            for (from, to) in &runs[run] {
                draw(run, (*from, *to), random, &mut blocks);
            }
        }
        Self { side, blocks }
    }
}

/// Draws as many stretches as there are, in blocks of the cube root of that; a block that passes the end goes on at the start, so that
/// no stretch is drawn more rarely than others.
fn draw(
    run: usize,
    (from, to): (usize, usize),
    random: &mut fastrand::Rng,
    blocks: &mut Vec<(usize, usize, usize)>,
) {
    let count = to - from;
    let length = (count as f64).cbrt().ceil() as usize;
    let mut missing = count;
    while missing > 0 {
        let (start, wanted) = (from + random.usize(..count), length.min(missing));
        let end = (start + wanted).min(to);
        blocks.push((run, start, end));
        if end - start < wanted {
            blocks.push((run, from, from + wanted - (end - start)));
        }
        missing -= wanted;
    }
}

/// The latencies of one side.
pub(super) struct Times {
    stages: Vec<Vec<(usize, usize)>>,
    /// For each run, for each number of first stretches, for each bin: the number of values up to that bin.
    sums: Vec<Vec<Vec<u64>>>,
}

impl Times {
    /// Takes the runs' histograms, microseconds.
    pub(super) fn new(runs: impl Iterator<Item = ByStage<Histogram<u64>>>) -> Self {
        let (mut stages, mut sums) = (Vec::new(), Vec::new());
        for run in runs {
            let each = run.iter().map(Vec::len).sum::<usize>().div_ceil(STRETCHES);
            let (mut own, mut counts, mut all) = (Vec::new(), vec![0; BINS], vec![vec![0; BINS]]);
            for stage in run.iter().filter(|stage| !stage.is_empty()) {
                let from = all.len() - 1;
                for stretch in stage.chunks(each) {
                    for value in stretch.iter().flat_map(Histogram::iter_recorded) {
                        counts[bin(value.value_iterated_to())] += value.count_at_value();
                    }
                    all.push(running(&counts));
                }
                own.push((from, all.len() - 1));
            }
            stages.push(own);
            sums.push(all);
        }
        Self { stages, sums }
    }
}

impl Side for Times {
    fn stages(&self) -> &[Vec<(usize, usize)>] {
        &self.stages
    }
}

impl Sample<'_, Times> {
    /// Returns a quantile, microseconds; NaN if there are no values.
    pub(super) fn quantile_us(&self, quantile: f64) -> f64 {
        let wanted = self.up_to(BINS - 1) as f64 * quantile;
        let (mut low, mut high) = (0, BINS - 1);
        while low < high {
            let middle = (low + high) / 2;
            if self.up_to(middle) as f64 >= wanted { high = middle } else { low = middle + 1 }
        }
        let before = if low == 0 { 0 } else { self.up_to(low - 1) } as f64;
        let part = (wanted - before) / (self.up_to(low) as f64 - before);
        BIN_RATIO.powf(low as f64 + part)
    }

    fn up_to(&self, bin: usize) -> u64 {
        let sums = &self.side.sums;
        self.blocks.iter().map(|(run, from, to)| sums[*run][*to][bin] - sums[*run][*from][bin]).sum()
    }
}

fn bin(value_us: u64) -> usize {
    (((value_us.max(1) as f64).ln() / BIN_RATIO.ln()) as usize).min(BINS - 1)
}

fn running(counts: &[u64]) -> Vec<u64> {
    let mut sum = 0;
    let add = |count: &u64| {
        sum += count;
        sum
    };
    counts.iter().map(add).collect()
}

/// The rates of one side.
pub(super) struct Rates {
    stages: Vec<Vec<(usize, usize)>>,
    /// For each run, for each number of first stretches: answers and seconds.
    sums: Vec<Vec<(f64, f64)>>,
}

impl Rates {
    /// Takes the runs' intervals: answers and seconds.
    pub(super) fn new(runs: impl Iterator<Item = ByStage<(u64, f64)>>) -> Self {
        let (mut stages, mut sums) = (Vec::new(), Vec::new());
        for run in runs {
            let (mut own, mut all, mut sum) = (Vec::new(), vec![(0.0, 0.0)], (0.0, 0.0));
            for stage in run.iter().filter(|stage| !stage.is_empty()) {
                let from = all.len() - 1;
                for (answered, seconds) in stage {
                    sum = (sum.0 + *answered as f64, sum.1 + seconds);
                    all.push(sum);
                }
                own.push((from, all.len() - 1));
            }
            stages.push(own);
            sums.push(all);
        }
        Self { stages, sums }
    }
}

impl Side for Rates {
    fn stages(&self) -> &[Vec<(usize, usize)>] {
        &self.stages
    }
}

impl Sample<'_, Rates> {
    /// Returns answers a second; NaN if there is no time.
    pub(super) fn rate(&self) -> f64 {
        let (mut answered, mut seconds) = (0.0, 0.0);
        for (run, from, to) in &self.blocks {
            let (first, last) = (self.side.sums[*run][*from], self.side.sums[*run][*to]);
            answered += last.0 - first.0;
            seconds += last.1 - first.1;
        }
        answered / seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_whole_are_those_of_one_histogram() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut all: Histogram<u64> = Histogram::new(3).unwrap();
        let stage = |random: &mut fastrand::Rng, all: &mut Histogram<u64>| {
            let one = |_| {
                let mut one: Histogram<u64> = Histogram::new(3).unwrap();
                for _ in 0..50 {
                    let value = (1000.0 * (3.0 * random.f64()).exp()) as u64;
                    one += value;
                    *all += value;
                }
                one
            };
            (0..450).map(one).collect::<Vec<_>>()
        };
        let run = vec![stage(&mut random, &mut all), Vec::new(), stage(&mut random, &mut all)];
        let times = Times::new([run].into_iter());
        assert_eq!(times.stages[0].len(), 2);
        assert!(times.sums[0].len() <= STRETCHES + 2);
        let sample = Sample::whole(&times);
        for quantile in [0.01, 0.5, 0.99, 1.0] {
            let (found, exact) = (sample.quantile_us(quantile), all.value_at_quantile(quantile) as f64);
            assert!((found / exact - 1.0).abs() < 0.011, "{quantile}: {found} {exact}");
        }
    }

    #[test]
    fn a_draw_has_as_much_as_the_stage_and_every_stretch_as_often() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut often = [0u32; 10];
        for _ in 0..10_000 {
            let mut blocks = Vec::new();
            draw(0, (5, 15), &mut random, &mut blocks);
            assert_eq!(blocks.iter().map(|(_, from, to)| to - from).sum::<usize>(), 10);
            for (_, from, to) in blocks {
                (from..to).for_each(|stretch| often[stretch - 5] += 1);
            }
        }
        assert!(often.iter().all(|times| (9_500..10_500).contains(times)), "{often:?}");
    }
}
