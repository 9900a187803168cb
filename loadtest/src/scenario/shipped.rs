//! The scenarios that come with the program. Each is a file in `loadtest/scenarios`, readable and compiled in.

/// A scenario file that is compiled in.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its name.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
    /// True if it is one fault with its expected result.
    pub drill: bool,
}

macro_rules! shipped {
    ($($folder:literal / $name:literal: $drill:literal),+ $(,)?) => {
        /// All shipped files, scenarios first.
        pub const SHIPPED: &[Shipped] = &[$(Shipped {
            name: $name,
            text: include_str!(concat!("../../", $folder, "/", $name, ".toml")),
            drill: $drill,
        }),+];
    };
}

shipped! {
    "scenarios" / "steady": false,
    "scenarios" / "morning-rush": false,
    "scenarios" / "rule-change-step": false,
    "scenarios" / "reconnect-storm": false,
    "scenarios" / "slow-carrier": false,
    "scenarios" / "gateway-crash": false,
    "scenarios" / "soak": false,
    "scenarios" / "xian-2021-12-20": false,
    "scenarios" / "guangdong-2022-01-10": false,
    "scenarios" / "hainan-2022-04-06": false,
    "scenarios" / "fleet-leader-dies": false,
    "scenarios" / "fleet-gateway-dies": false,
    "scenarios" / "fleet-broker-minority": false,
    "scenarios" / "fleet-broker-majority": false,
    "scenarios" / "fleet-partition": false,
    "scenarios" / "fleet-rolling-upgrade": false,
    "drills" / "kill": true,
    "drills" / "restart": true,
    "drills" / "disk-full": true,
    "drills" / "carriers": true,
    "drills" / "bad-network": true,
    "drills" / "partition": true,
    "drills" / "rebind": true,
    "drills" / "reconnect": true,
    "drills" / "colours": true,
    "drills" / "fleet-leader": true,
    "drills" / "fleet-gateway": true,
    "drills" / "fleet-broker": true,
    "drills" / "fleet-majority": true,
}
