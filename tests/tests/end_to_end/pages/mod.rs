//! The pages of citizens, places and staff: over plain HTTP without a script, and in a real browser.

mod browser;
mod card;
mod family;
mod forms;
mod given;
mod place;
mod sign_in;
mod staff;
mod staff_once;
