//! The signed orders: everything that changes something or shows people. An order is one JSON text with a signature for each operator; it
//! is checked and on record before anything is done (`pipeline`). Each order has a file, which holds its fields, its reply, who signs it,
//! what it does and how its reply is printed (`order`). One more is a file, its `mod` line and its line in the list below; the
//! command that gives it is in `command`. `groups` are orders of one text with an inner enum of acts, as earlier releases signed them.

mod appeals;
mod causes;
mod codes;
mod devices;
pub(crate) mod forward;
mod gateway;
mod holders;
pub(crate) mod limits;
mod members;
mod operators;
mod order;
mod passages;
mod pipeline;
mod places;
mod shifts;

use actors::holders::ImportReport;
use policy::trajectory::day_of;
use registry::OrderEntry;
use registry::operator;
use serde::{Deserialize, Serialize};

pub(crate) use causes::add_table::NewCause;
pub(crate) use codes::Whose;
pub(crate) use devices::{
    NewDevice,
    enrol_table::{EnrolledTable, twins},
};
pub(crate) use gateway::activate_policy::show_diff as show_policy_diff;
pub(crate) use order::{Answer, Order, exit_code, print, print_answer, show_json};
pub(crate) use passages::export::PunchFormat;
pub(crate) use passages::recover::ToRecover;
pub(crate) use passages::tap::{SECONDS_MAX as TAP_SECONDS_MAX, TapAct, TapLine, TapShare, Tapped, tap_for};
pub(crate) use pipeline::end_here;
pub(crate) use places::{AddPlace, DecideUnit, ListPlaces, ListUnits, PlaceLine, Places, RegionLine};
pub(crate) use shifts::{InviteStaff, ListShifts, RevokeShift, Shifts};

use order::{At, Each, Given, Ordered};

/// Makes [`AnyOrder`] of the list of orders, and of the groups, whose orders stand under one name in the text.
macro_rules! orders {
    (orders { $($folder:ident::$file:ident::$order:ident,)+ } groups { $($group:ident,)+ }) => {
        $(pub(crate) use $folder::$file::$order;)+

        /// Any order, as its text is signed: `order` holds the name, the other fields are the order's.
        #[derive(Serialize, Deserialize)]
        #[serde(tag = "order", rename_all = "kebab-case")]
        pub(crate) enum AnyOrder {
            $($order($order),)+
            $($group($group),)+
        }

        impl AnyOrder {
            /// Applies the function to the order that it is.
            fn each<E: Each>(self, each: E) -> E::Out {
                match self {
                    $(Self::$order(order) => each.order(order),)+
                    $(Self::$group(group) => group.each(each),)+
                }
            }
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$($order::NAME,)+];

        $(impl From<$order> for AnyOrder {
            fn from(order: $order) -> Self {
                Self::$order(order)
            }
        })+
    };
}

orders! {
    orders {
        operators::add::AddOperator,
        operators::revoke::RevokeOperator,
        operators::list::ListOperators,
        devices::list::ListDevices,
        devices::enrol::EnrolDevice,
        devices::enrol_table::EnrolDevices,
        devices::renew::RenewDevice,
        devices::revoke::RevokeDevice,
        holders::import::ImportHolders,
        causes::add::AddCause,
        causes::add_table::AddCauses,
        causes::clear::ClearCause,
        causes::clear_since::ClearCauses,
        codes::find::FindCode,
        codes::move_phone::MovePhone,
        codes::document_seen::DocumentSeen,
        codes::why::Why,
        codes::accesses::Accesses,
        codes::contact::Contact,
        appeals::list::ListAppeals,
        appeals::answer::AnswerAppeal,
        passages::at_place::Passages,
        passages::export::ExportLedger,
        passages::recover::RecoverPunches,
        passages::tap::Tap,
        gateway::activate_policy::ActivatePolicy,
        gateway::reload::Reload,
        gateway::backup::Backup,
        gateway::accept_stores::AcceptStores,
        gateway::believe_clock::BelieveClock,
        gateway::join_fleet::JoinFleet,
        gateway::refill_fleet::RefillFleet,
        members::promote::PromoteGateway,
        members::remove::RemoveGateway,
    }
    groups {
        Places,
        Shifts,
    }
}

/// The city's time: UTC+8, no daylight saving.
pub(crate) const CITY: jiff::tz::Offset = jiff::tz::offset(8);

/// A report of a long act before its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Progress {
    /// An order is accepted.
    OnRecord(OrderEntry),
    Importing(ImportReport),
    /// Lines of a file that were rejected, with the reasons.
    Rejects(String),
    /// Punches, as they were asked for.
    Exported(String),
    Tapped(Tapped),
}

/// The callback for progress; returns false once the client no longer listens.
pub(crate) type Tell<'a> = dyn FnMut(&Progress) -> bool + 'a;

/// Makes the text of an order for that gateway, given now.
pub(crate) fn order(act: &AnyOrder, gateway: String) -> anyhow::Result<operator::Order> {
    order_of(serde_json::to_string(act)?, gateway)
}

/// Makes the text of an order, given now, of an act that no running gateway does.
pub(crate) fn order_of(act: String, gateway: String) -> anyhow::Result<operator::Order> {
    let at_s = runtime::clock::now_s();
    Ok(operator::Order { gateway, act, at_s, nonce: random_hex()? })
}

/// Makes 16 random bytes, in hexadecimal: a nonce, or a token.
fn random_hex() -> anyhow::Result<String> {
    Ok(hex::encode(keys::random::bytes::<16>()?))
}

/// Formats a day, for people.
pub(crate) fn day(at_s: u64) -> String {
    if at_s >= i64::MAX as u64 { "–".to_owned() } else { day_of(at_s).to_string() }
}

/// Formats a minute of the city's time, for people.
pub(crate) fn time(at_s: u64) -> String {
    let at = i64::try_from(at_s).ok().and_then(|at_s| jiff::Timestamp::from_second(at_s).ok());
    at.map_or("–".to_owned(), |at| CITY.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_has_the_name_in_its_text_that_the_log_shows() {
        for name in NAMES {
            let Err(error) = serde_json::from_str::<AnyOrder>(&format!(r#"{{"order":"{name}"}}"#)) else {
                continue;
            };
            assert!(error.to_string().contains("missing field"), "{name}: {error}");
        }
    }

    #[test]
    fn an_order_has_one_text_and_nothing_else_in_it_is_read() {
        let (place, name) = (7, "east gate".to_owned());
        for (act, text) in [
            (ListOperators {}.into(), r#"{"order":"list-operators"}"#),
            (RevokeDevice { device: 7 }.into(), r#"{"order":"revoke-device","device":7}"#),
            (ClearCauses { set: (1, 2) }.into(), r#"{"order":"clear-causes","set":[1,2]}"#),
            (ListPlaces.into(), r#"{"order":"places","act":"list"}"#),
            (
                DecideUnit { unit: 7, approved: true }.into(),
                r#"{"order":"places","act":{"decide-unit":{"unit":7,"approved":true}}}"#,
            ),
            (
                InviteStaff { place, name }.into(),
                r#"{"order":"shifts","act":{"invite":{"place":7,"name":"east gate"}}}"#,
            ),
        ] {
            let act: AnyOrder = act;
            assert_eq!(serde_json::to_string(&act).unwrap(), text);
            assert!(serde_json::from_str::<AnyOrder>(text).is_ok(), "{text}");
            let more = text.replacen('{', r#"{"more":1,"#, 1);
            assert!(serde_json::from_str::<AnyOrder>(&more).is_err(), "{more}");
        }
    }

    #[test]
    fn a_reply_stands_under_the_orders_key_and_answers_no_other() {
        let answer = Answer::of::<EnrolDevices>(&EnrolledTable { devices: Vec::new(), at: None }).unwrap();
        assert_eq!(
            serde_json::to_value(&answer).unwrap(),
            serde_json::json!({ "enrolled": { "devices": [], "at": null } })
        );
        assert!(answer.clone().reply::<EnrolDevices>().is_ok());
        assert!(answer.reply::<ListDevices>().is_err());
    }
}
