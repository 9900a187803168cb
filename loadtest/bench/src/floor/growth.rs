//! The growth of the cost of a scan with the number of connections, beside the echo's own: more connections cost QUIC and the kernel more,
//! too, and that is no fault of the gateway. Pure.

use serde::Serialize;

use super::{Figures, Measured};
use crate::spread::Spread;

/// The cost of a scan with that many connections, compared with the first measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// The number of connections.
    pub devices: u32,
    /// The gateway's processor time for each scan, µs.
    pub gateway_us: Spread,
    /// The echo's.
    pub echo_us: Spread,
    /// The gateway's divided by the echo's, within a round.
    pub of_echo: Spread,
    /// The gateway's growth since the first measurement, as a factor.
    pub gateway_growth: f64,
    /// The echo's.
    pub echo_growth: f64,
    /// The growth of their ratio: above 1 the gateway's cost grows faster than the echo's.
    pub relative: f64,
}

/// Compares each measurement with the first; empty if a side has no figures.
pub fn growth(measured: &[Measured]) -> Vec<Growth> {
    let cost = |measured: &Measured, side: fn(&super::Round) -> Figures| {
        Spread::of(measured.rounds.iter().filter_map(|round| side(round).cpu_us()))
    };
    let costs = measured.iter().filter_map(|one| {
        let (gateway, echo) = (cost(one, |round| round.gateway)?, cost(one, |round| round.echo)?);
        let of_echo = Spread::of(one.of_echo(Figures::cpu_us).into_iter())?;
        Some((one.devices, gateway, echo, of_echo))
    });
    let costs: Vec<_> = costs.collect();
    let Some(&(_, gateway, echo, ratio)) = costs.first() else { return Vec::new() };
    let grown = |&(devices, gateway_us, echo_us, of_echo): &(u32, Spread, Spread, Spread)| Growth {
        devices,
        gateway_us,
        echo_us,
        of_echo,
        gateway_growth: gateway_us.median / gateway.median,
        echo_growth: echo_us.median / echo.median,
        relative: of_echo.median / ratio.median,
    };
    costs.iter().map(grown).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Round;
    use super::*;

    fn measured(devices: u32, costs_us: &[(u64, u64)]) -> Measured {
        let figures = |us| Figures {
            per_second: 1.0,
            server_cpu: Some(Duration::from_micros(us)),
            client_cpu: None,
            latency_ms: [1.0; 3],
        };
        let round = |&(echo, gateway)| Round {
            echo: figures(echo),
            gateway: figures(gateway),
            other: None,
            sync: Duration::from_millis(1),
        };
        Measured { devices, rounds: costs_us.iter().map(round).collect(), connection_kib: None }
    }

    #[test]
    fn growth_is_measured_beside_the_echos_own() {
        let growth = growth(&[
            measured(100, &[(10, 20), (12, 24), (11, 22)]),
            measured(10_000, &[(20, 60), (22, 66), (24, 72)]),
        ]);
        assert_eq!((growth[0].relative, growth[0].gateway_growth), (1.0, 1.0));
        let far = growth[1];
        assert_eq!((far.devices, far.gateway_us.median, far.echo_us.median), (10_000, 66.0, 22.0));
        assert!((far.gateway_growth - 3.0).abs() < 1e-9 && (far.echo_growth - 2.0).abs() < 1e-9, "{far:?}");
        assert!((far.relative - 1.5).abs() < 1e-9, "3 times the echo's cost instead of 2 times: {far:?}");
    }

    #[test]
    fn without_processor_time_there_is_no_growth() {
        let mut blind = measured(100, &[(1, 2)]);
        blind.rounds[0].gateway.server_cpu = None;
        assert_eq!(growth(&[blind]), []);
    }
}
