//! DescribeAccountSettings: there is no bill, so no commitment to pay one.

use serde::{Deserialize, Serialize};

use crate::aws::error::AwsError;
use crate::kinesis::target::{Target, Targets};
use crate::state::GatewayState;

#[derive(Deserialize)]
pub(crate) struct Input {}

impl Targets for Input {
    fn target(&self, _: &GatewayState) -> Result<Target, AwsError> {
        Ok(Target::Account)
    }
}

/// The answer; also that of UpdateAccountSettings.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    minimum_throughput_billing_commitment: Commitment,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Commitment {
    status: &'static str,
}

impl Output {
    /// What always holds.
    pub(crate) fn disabled() -> Self {
        Output { minimum_throughput_billing_commitment: Commitment { status: "DISABLED" } }
    }
}

/// Shows that nothing is committed.
pub(crate) async fn run(_state: &GatewayState, _input: Input) -> Result<Output, AwsError> {
    Ok(Output::disabled())
}
