//! A figure over the rounds of a run: the median with the lowest and the highest, because one number of a noisy machine is
//! not reliable.

/// Median, lowest and highest.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The lowest round.
    pub low: f64,
    /// The highest round.
    pub high: f64,
}

impl Spread {
    /// Returns the spread of the finite values; `None` if there are none.
    pub fn of(each: impl Iterator<Item = f64>) -> Option<Self> {
        let mut all: Vec<_> = each.filter(|figure| figure.is_finite()).collect();
        all.sort_by(f64::total_cmp);
        let (low, high) = (*all.first()?, *all.last()?);
        let median = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
        Some(Self { median, low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_leaves_out_what_is_no_number() {
        for (figures, expected) in [
            (vec![3.0, 1.0, 2.0], Some([2.0, 1.0, 3.0])),
            (vec![4.0, 1.0], Some([2.5, 1.0, 4.0])),
            (vec![f64::NAN, 1.0, f64::INFINITY], Some([1.0, 1.0, 1.0])),
            (vec![f64::NAN], None),
            (vec![], None),
        ] {
            let spread = Spread::of(figures.clone().into_iter());
            assert_eq!(spread.map(|one| [one.median, one.low, one.high]), expected, "{figures:?}");
        }
    }
}
