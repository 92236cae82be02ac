//! `StreamModeDetails` of a request.

use model::stream::settings::StreamMode;
use serde::Deserialize;

use crate::aws::error::AwsError;
use crate::aws::wire::text::Text;

/// The mode that is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GivenMode<'a> {
    #[serde(borrow)]
    stream_mode: Option<Text<'a>>,
}

impl GivenMode<'_> {
    /// The mode by name.
    pub(crate) fn mode(&self) -> Result<StreamMode, AwsError> {
        match self.stream_mode.as_deref() {
            Some("PROVISIONED") => Ok(StreamMode::Provisioned),
            Some("ON_DEMAND") => Ok(StreamMode::OnDemand),
            Some(other) => {
                let constraint = "Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]";
                Err(AwsError::validation(&format!("'{other}'"), "streamModeDetails.streamMode", constraint))
            }
            None => Err(AwsError::missing("streamModeDetails.streamMode")),
        }
    }
}
