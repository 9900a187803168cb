//! Crashes, full disks, damage and overload: nothing that was acknowledged is lost.

mod apply_kill;
mod damage;
mod disk_full;
mod drain;
mod kill;
mod members;
mod overload;
