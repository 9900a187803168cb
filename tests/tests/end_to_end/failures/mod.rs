//! Crashes, full disks, damage and overload: nothing that was acknowledged is lost.

mod across;
mod apart;
mod apply_kill;
mod copies;
mod damage;
mod disk_full;
mod drain;
mod joining;
mod kill;
mod members;
mod moving;
mod overload;
mod schedule;
mod several;
mod taps;
