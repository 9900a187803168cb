//! The operators' commands beside running the gateway.

mod data;
mod desk;
mod moment;
mod people;
mod running;
mod setup;
mod sites;

use std::process::ExitCode;

pub(crate) use setup::check::CheckConfig;
pub(crate) use setup::new_config::NewConfig;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Copies the punch log and the registry while the gateway runs. An operator signs, and it is recorded as an access.
    Backup(data::backup::Backup),
    /// Takes a backup back into a new data directory, after every file, the log and the decisions are checked.
    Restore(data::backup::Restore),
    /// Reports whether the punch log and the registry belong together, and has them accepted when one was restored.
    #[command(subcommand)]
    Stores(data::stores::Command),
    /// Has the running gateway read its files again: certificates, carriers, the message service, the log level. All or nothing.
    Reload(running::reload::Reload),
    /// Shows the state of the running gateway: ready, devices, rates, what is on disk, what is wrong now.
    Status(running::status::StatusOf),
    /// Looks at a gateway, whether it runs or not: 0 all is well, 1 warnings, 2 failures.
    Doctor(running::doctor::Doctor),
    /// Enrols, renews, revokes and lists devices.
    Device(sites::device::Device),
    /// Checks or exports the punch log.
    #[command(subcommand)]
    Ledger(data::ledger::Command),
    /// Brings in people who already hold a code.
    #[command(subcommand)]
    Holders(people::holders::Command),
    /// Makes, rotates and lists secret keys.
    #[command(subcommand)]
    Keys(setup::keys::Command),
    /// Shows where this gateway stands among several of one city, and makes the key that they share.
    #[command(subcommand)]
    Fleet(setup::fleet::Command),
    /// Makes the authority that devices and the gateway know each other by, and the gateway's certificate.
    #[command(subcommand)]
    Authority(setup::authority::Command),
    /// Checks the dated rules: where a stay counts, and what each cause gives.
    #[command(subcommand)]
    Policy(running::policy::Command),
    /// Adds and revokes operators: people with names, who sign.
    #[command(subcommand)]
    Operator(desk::operator::Operator),
    /// Shows, signs and gives orders that were saved with `--save`: what takes two goes from one to the other.
    #[command(subcommand)]
    Order(desk::order::Command),
    /// Sets and clears causes of colours.
    #[command(subcommand)]
    Cause(people::cause::Cause),
    /// Shows what is known of a code: whose it is, why it has its colour, who looked, how to reach its holder; and what an office does for
    /// a person who is present with their document.
    #[command(subcommand)]
    Code(people::code::Code),
    /// Lists and answers appeals.
    #[command(subcommand)]
    Appeal(people::appeal::Command),
    /// Looks for who passed a place.
    #[command(subcommand)]
    Punches(people::punches::Command),
    /// Shows verdicts while they are given, without anybody in them. An operator signs, and it is recorded as an access.
    Tap(people::tap::Tap),
    /// Ends the measure: destroys keys and personal data, and leaves a signed record. A dry run first, then two operators.
    Sunset(data::sunset::Sunset),
    /// Shows whether the gateway's clock is believed, and has two operators say that it is right.
    #[command(subcommand)]
    Clock(running::clock::Command),
    /// Adds and lists places.
    #[command(subcommand)]
    Place(sites::place::Place),
    /// Lists the regions, whose numbers other commands take.
    #[command(subcommand)]
    Region(sites::region::Command),
    /// Invites staff to a shift with a phone's browser, lists and revokes shifts.
    #[command(subcommand)]
    Staff(sites::staff::Staff),
    /// Decides on units that apply for a code of their own.
    #[command(subcommand)]
    Unit(sites::place::Unit),
    /// Checks that decisions are on record as they were made.
    #[command(subcommand)]
    Audit(data::audit::Command),
    /// Proves that carriers were asked with consent only.
    #[command(subcommand)]
    Consents(people::consents::Command),
    /// Does what a citizen does at an office's counter: prove a phone, consent, apply.
    Counter(people::counter::Counter),
    /// Shows a development city's simulated carriers and makes them fail.
    Carrier(setup::carrier::Carrier),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Backup(backup) => backup.run(),
            Self::Restore(restore) => restore.run(),
            Self::Stores(command) => command.run(),
            Self::Reload(reload) => reload.run(),
            Self::Status(status) => status.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Device(device) => device.run(),
            Self::Ledger(command) => command.run(),
            Self::Holders(command) => command.run(),
            Self::Keys(command) => command.run(),
            Self::Fleet(command) => command.run(),
            Self::Authority(command) => command.run(),
            Self::Policy(command) => command.run(),
            Self::Operator(command) => command.run(),
            Self::Order(command) => command.run(),
            Self::Cause(command) => command.run(),
            Self::Code(command) => command.run(),
            Self::Appeal(command) => command.run(),
            Self::Punches(command) => command.run(),
            Self::Tap(tap) => tap.run(),
            Self::Sunset(sunset) => sunset.run(),
            Self::Clock(command) => command.run(),
            Self::Place(command) => command.run(),
            Self::Region(command) => command.run(),
            Self::Staff(command) => command.run(),
            Self::Unit(command) => command.run(),
            Self::Audit(command) => command.run(),
            Self::Consents(command) => command.run(),
            Self::Counter(counter) => counter.run(),
            Self::Carrier(carrier) => carrier.run(),
        }
    }
}
