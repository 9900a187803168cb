//! The jobs' work on the registry, as methods of [`Registrar`], by subject. Each is one transaction, or a part of its group's.

mod activation;
pub mod appeals;
mod by_hand;
mod forms;
mod leaving;
mod office;
mod places;
mod queries;
mod receipts;
mod shifts;
mod signin;

use super::{Registrar, RegistrarError, counts};

pub use by_hand::{CLEARED_MAX, MANUAL_REDS_HOUR_MAX, Planned, is_burst_of_reds};
pub use forms::{Form, Taken};
pub use leaving::Paper;
pub use queries::QueryPermit;
pub use receipts::{AtGate, Giver, RECEIPT_S_MAX, Receipt, Receipted};
pub use shifts::SHIFT_S;
pub use signin::{CODES_PER_PHONE_MAX, Confirmed, DOCUMENT_TRIES_MAX};
