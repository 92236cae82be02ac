//! Sections of the settings whose engine this binary was built without: they are read as they are,
//! and refused by name.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::config::text::error::Faults;

macro_rules! left_out {
    ($name:ident, $section:literal, $engine:literal) => {
        /// A section that is refused, whatever stands in it.
        #[cfg(not(feature = $section))]
        #[derive(Debug, Clone)]
        pub(crate) struct $name;

        #[cfg(not(feature = $section))]
        impl $name {
            /// Always an error.
            pub(crate) fn check(&self, faults: &mut Faults) {
                let advice = format!("remove `[{0}]`, or build it with `--features {0}`", $section);
                faults.add(&[$section], format!("{}: this gallop was built without {}", $section, $engine), advice);
            }
        }

        #[cfg(not(feature = $section))]
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                IgnoredAny::deserialize(deserializer).map(|_| $name)
            }
        }
    };
}

left_out!(DynamoConfig, "dynamodb", "DynamoDB");
left_out!(KafkaConfig, "kafka", "Kafka");
left_out!(S3Config, "s3", "S3");

#[cfg(all(test, not(any(feature = "dynamodb", feature = "kafka", feature = "s3"))))]
mod tests {
    use std::path::Path;

    use crate::config::file::Config;

    #[test]
    fn engines_that_are_left_out_are_refused_by_name_whatever_the_settings_say() {
        let everywhere = include_str!("../../../../infra/examples/kafka-s3-dynamodb.toml");
        for (text, engine, feature) in [
            (everywhere, "Kafka", "kafka"),
            ("[s3]\nbucket = \"rides\"\nanything = [1, { a = 2 }]", "S3", "s3"),
            ("[dynamodb]", "DynamoDB", "dynamodb"),
        ] {
            let message = Config::parse(Path::new("g.toml"), text).expect_err("refused").to_string();
            let said = format!("{feature}: this gallop was built without {engine}");
            let advice = format!("remove `[{feature}]`, or build it with `--features {feature}`");
            assert!(message.contains(&said) && message.contains(&advice), "{message}");
        }
        Config::parse(Path::new("g.toml"), "[streams.rides]\n").expect("what stands on this machine is there");
    }
}
