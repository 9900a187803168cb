//! x

use crate::scene::Group;

pub(crate) const GROUPS: &[Group] = &[];
