//! A city with its gateway, devices, citizens and operators, each test in a city of its own. One program: what is linked once is linked
//! fast, and tests that wait leave the machine to others. `cargo test --test end_to_end -- staff_once::` runs one file.

mod canary;
mod devices;
mod failures;
mod install;
mod load;
mod monitoring;
mod operators;
mod pages;
mod traps;
