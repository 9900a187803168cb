//! The orders and look-ups of operators, through the command line of a running city.

mod backup;
mod carriers;
mod causes;
mod holders;
mod lookups;
mod operate;
mod policy;
mod sunset;
mod tap;
