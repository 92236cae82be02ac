//! UpdateAccountSettings: what needs a commitment on AWS needs none here, and none is taken.

use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;
use crate::kinesis::actions::describe_account_settings::Output;
use crate::kinesis::target::{Target, Targets};
use crate::state::GatewayState;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input<'a> {
    #[serde(borrow)]
    minimum_throughput_billing_commitment: Option<Commitment<'a>>,
}

impl Targets for Input<'_> {
    fn target(&self, _: &GatewayState) -> Result<Target, AwsError> {
        Ok(Target::Account)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Commitment<'a> {
    #[serde(borrow)]
    status: Option<Text<'a>>,
}

/// Confirms that nothing is committed; refuses to commit.
pub(crate) async fn run(_state: &GatewayState, input: Input<'_>) -> Result<Output, AwsError> {
    let given = input.minimum_throughput_billing_commitment.as_ref();
    let given = given.ok_or_else(|| AwsError::missing("minimumThroughputBillingCommitment"))?;
    match given.status.as_deref() {
        None => Err(AwsError::missing("minimumThroughputBillingCommitment.status")),
        Some("DISABLED") => Ok(Output::disabled()),
        Some("ENABLED") => Err(AwsError::invalid_argument(
            "MinimumThroughputBillingCommitment cannot be ENABLED by this endpoint: nothing is billed, and warm throughput \
             needs no commitment.",
        )),
        Some(other) => Err(AwsError::validation(
            &format!("'{other}'"),
            "minimumThroughputBillingCommitment.status",
            "Member must satisfy enum value set: [ENABLED, DISABLED]",
        )),
    }
}
