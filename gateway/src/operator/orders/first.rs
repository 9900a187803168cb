//! The first operator of a registry, who has nobody to be signed for by. All others are added by an order.

use anyhow::bail;
use registry::operator::{self, Operator};

use super::{Ordered, OrderedAct};
use crate::operator::OperatorContext;

/// The first operator of a registry is added by whoever may open the admin socket: nobody is there to sign.
pub(super) fn add(act: OrderedAct, admin: &OperatorContext) -> anyhow::Result<Ordered> {
    let OrderedAct::AddOperator { name, authority, roles, public_key } = act else {
        bail!("only the first operator is added without a signature");
    };
    let operator = Operator { name, authority, roles, public_key, revoked: false };
    admin.write(|registry| Ok(operator::add_first(registry, &operator)?))?;
    tracing::warn!(name = operator.name, "the first operator is added, unsigned");
    Ok(Ordered::Operator(operator))
}
