//! Starting the gateway as the package and a service manager do: exit codes, systemd units, inherited sockets, reloads.

mod exits;
mod fleet;
mod inherit;
mod package;
mod reload;
mod units;
