//! The settings file as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::state::GatewayOptions;
use model::name::{ConsumerName, StreamName, TableName};
use serde::Deserialize;

use crate::config::access::account;
use crate::config::access::admission::Signatures;
use crate::config::access::browser::BrowserConfig;
use crate::config::access::credential::{self, CredentialConfig};
use crate::config::access::encryption::EncryptionConfig;
use crate::config::access::tls::TlsConfig;
use crate::config::data::delivery::{self, DeliveryConfig};
use crate::config::data::query::QueryConfig;
use crate::config::data::sensor::SensorConfig;
use crate::config::data::stream::StreamConfig;
use crate::config::data::table::TableConfig;
use crate::config::server::connections::ConnectionsConfig;
use crate::config::server::dashboard::DashboardConfig;
use crate::config::server::kinesis::KinesisConfig;
use crate::config::server::sql::SqlConfig;
use crate::config::server::telemetry::TelemetryConfig;
#[cfg(feature = "dynamodb")]
use crate::config::stores::dynamodb::DynamoConfig;
#[cfg(feature = "kafka")]
use crate::config::stores::kafka::KafkaConfig;
#[cfg(not(feature = "dynamodb"))]
use crate::config::stores::left_out::DynamoConfig;
#[cfg(not(feature = "kafka"))]
use crate::config::stores::left_out::KafkaConfig;
#[cfg(not(feature = "s3"))]
use crate::config::stores::left_out::S3Config;
#[cfg(feature = "s3")]
use crate::config::stores::s3::S3Config;
use crate::config::text::document::Document;
use crate::config::text::error::{ConfigError, Faults, Located};

/// Name of the settings file that is read from the data folder when none is given.
pub(crate) const FILE_NAME: &str = "gallop.toml";

/// The port that everything is served on.
pub(crate) const PORT: u16 = 4567;

/// Hours from one check of all that is kept to the next.
const VERIFY_HOURS: u64 = 24;
/// The most of them: a year.
const VERIFY_HOURS_MAX: u64 = 8760;

/// What a settings file holds. Every key is optional.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Data folder; relative to the working folder.
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on.
    pub(crate) host: Option<std::net::IpAddr>,
    /// Port to listen on; 0 chooses a free one.
    pub(crate) port: Option<u16>,
    /// How the Kinesis API behaves.
    pub(crate) kinesis: KinesisConfig,
    /// What ad hoc queries may use.
    pub(crate) sql: SqlConfig,
    /// Who may call from a web page.
    pub(crate) browser: BrowserConfig,
    /// What the page shows.
    pub(crate) dashboard: DashboardConfig,
    /// The region in ARNs and signatures.
    pub(crate) region: Option<String>,
    /// The account in ARNs: twelve digits.
    pub(crate) account_id: Option<String>,
    /// Hours from one check of all that streams keep on this machine to the next; 0 for none.
    pub(crate) verify_hours: Option<u64>,
    /// Whether signatures are verified; where nothing is said, they are if there are credentials.
    pub(crate) signatures: Option<Signatures>,
    /// The certificate of the server.
    pub(crate) tls: Option<TlsConfig>,
    /// Where traces go.
    pub(crate) telemetry: TelemetryConfig,
    /// How many connections there may be.
    pub(crate) connections: ConnectionsConfig,
    /// Who may come in.
    pub(crate) credentials: BTreeMap<String, CredentialConfig>,
    /// Keys that streams may be encrypted with at rest.
    pub(crate) encryption: EncryptionConfig,
    /// Puts streams on a Kafka cluster; without it, they are a folder in `data`.
    pub(crate) kafka: Option<KafkaConfig>,
    /// Puts the archive into a bucket of S3; without it, it is a folder in `data`.
    pub(crate) s3: Option<S3Config>,
    /// Puts tables into DynamoDB; without it, they are a file in `data`.
    pub(crate) dynamodb: Option<DynamoConfig>,
    /// Where sensor datagrams come in.
    pub(crate) sensor: SensorConfig,
    /// Streams to create when they are missing.
    pub(crate) streams: BTreeMap<StreamName, StreamConfig>,
    /// Tables to create when they are missing.
    pub(crate) tables: BTreeMap<TableName, TableConfig>,
    /// Continuous queries to run.
    pub(crate) queries: BTreeMap<ConsumerName, QueryConfig>,
    /// Delivery streams to run.
    pub(crate) deliveries: BTreeMap<ConsumerName, DeliveryConfig>,
}

impl Config {
    /// Reads a settings file.
    pub(crate) fn read(file: &Path) -> Result<Config, ConfigError> {
        Config::parse(file, &read_text(file)?)
    }

    /// Understands settings; `file` is for messages.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
        let document = Document::parse(file, text).map_err(|faults| ConfigError { faults })?;
        let understood = document.understand::<Config>();
        let mut faults = Faults::default();
        if let Some(config) = &understood.settings {
            config.check(&mut faults);
        }
        let mut located = document.locate(faults.found, &understood.left_out);
        located.extend(understood.faults);
        ConfigError::unless_none(located)?;
        Ok(understood.settings.expect("what does not read is a fault"))
    }

    /// The names in answers, and of the server.
    pub(crate) fn gateway(&self) -> GatewayOptions {
        let standard = GatewayOptions::default();
        GatewayOptions {
            region: self.region.clone().unwrap_or(standard.region),
            account_id: self.account_id.clone().unwrap_or(standard.account_id),
            hosts: self.browser.hosts.clone(),
            origins: self.browser.origins.clone(),
        }
    }

    /// How often all that streams keep on this machine is verified, if it is.
    pub(crate) fn verify_interval(&self) -> Option<Duration> {
        match self.verify_hours.unwrap_or(VERIFY_HOURS) {
            0 => None,
            hours => Some(Duration::from_secs(hours * 3600)),
        }
    }

    /// What the shape alone does not say.
    pub(crate) fn check(&self, faults: &mut Faults) {
        self.browser.check(faults);
        if let Some(Err(message)) = self.region.as_deref().map(account::region) {
            faults.add(&["region"], message, "write one like `us-east-1`");
        }
        if let Some(Err(message)) = self.account_id.as_deref().map(account::account_id) {
            faults.add(&["account_id"], message, "write twelve digits, as in \"123456789012\"");
        }
        if let Some(hours) = self.verify_hours.filter(|hours| VERIFY_HOURS_MAX < *hours) {
            let message = format!("verify_hours {hours} is above {VERIFY_HOURS_MAX}");
            faults.add(&["verify_hours"], message, format!("use 1 to {VERIFY_HOURS_MAX}, or 0 for no checks"));
        }
        self.connections.check(faults);
        self.sql.check(faults);
        self.telemetry.check(faults);
        credential::check(&self.credentials, faults);
        if let Some(kafka) = &self.kafka {
            kafka.check(faults);
        }
        if self.kafka.is_some() && self.encryption.key_file.is_some() {
            let message = "encryption: Gallop does not encrypt streams on Kafka; encrypt the brokers' disks instead";
            faults.add(&["encryption", "key_file"], message, "remove key_file");
        }
        if let Some(s3) = &self.s3 {
            s3.check(faults);
        }
        if let Some(dynamodb) = &self.dynamodb {
            dynamodb.check(faults);
        }
        self.sensor.check(faults);
        for (name, stream) in &self.streams {
            stream.check(name, faults);
        }
        for (name, table) in &self.tables {
            table.check(name, self.dynamodb.is_some(), faults);
        }
        delivery::check(&self.deliveries, &self.tables, faults);
    }
}

/// The text of a settings file.
pub(crate) fn read_text(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path; `gallop config init` writes a file to begin with",
            std::io::ErrorKind::PermissionDenied => "let the user who runs gallop read it",
            _ => "name a file of text (TOML)",
        };
        let message = format!("cannot be read: {error}");
        ConfigError::one(Located::of_source(file.display().to_string(), message, advice))
    })
}

#[cfg(all(test, feature = "dynamodb", feature = "kafka", feature = "s3"))]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse(Path::new("g.toml"), text).expect_err("refused").to_string()
    }

    #[test]
    fn a_whole_file_is_understood() {
        let text = include_str!("../demo/gallop.toml");
        let config = Config::parse(Path::new("gallop.toml"), text).expect("the demo's own settings");
        assert_eq!((config.queries.len(), config.deliveries.len(), config.tables.len()), (2, 3, 2));
    }

    #[test]
    fn the_examples_are_understood() {
        let text = include_str!("../../../infra/examples/kafka-s3-dynamodb.toml");
        let config = Config::parse(Path::new("kafka-s3-dynamodb.toml"), text).expect("an example");
        assert!(config.kafka.is_some() && config.s3.is_some() && config.dynamodb.is_some());
        // What stands commented out is understood too.
        let all: String = text.lines().skip(8).map(|line| format!("{}\n", line.trim_start_matches("# "))).collect();
        let all = all.replace("region, endpoint, profile, attempts_max, attempt_timeout_ms as above", "");
        let config =
            Config::parse(Path::new("kafka-s3-dynamodb.toml"), &all).unwrap_or_else(|error| panic!("{error}\n{all}"));
        assert_eq!(config.s3.expect("it is there").options().path_style, Some(true));
    }

    #[test]
    fn the_settings_of_the_compose_file_and_of_the_template_are_understood() {
        let compose = include_str!("../../../infra/compose/gallop.toml");
        let template = include_str!("../../../infra/aws/gallop.yaml");
        // The block of the settings in the template, and no reference of it filled in.
        let (_, block) = template.split_once("Value: !Sub |\n").expect("the settings stand in the template");
        let lines = block.lines().take_while(|line| line.is_empty() || line.starts_with("                "));
        let template: String = lines.map(|line| format!("{}\n", line.trim_start())).collect();
        let template = template.replace("${AWS::Region}", "eu-central-1").replace("${AWS::AccountId}", "123456789012");
        let template = template.replace("${Brokers.Addresses}", "b-1.example:9096,b-2.example:9096");
        let template = template.replace("${Archive}", "bucket").replace("${TablePrefix}", "gallop-");
        for (name, text) in [("compose", compose), ("template", &template)] {
            let config = Config::parse(Path::new(name), text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert!(config.kafka.is_some() && config.s3.is_some() && config.dynamodb.is_some(), "{name}");
            assert!(!config.streams.is_empty() && !config.deliveries.is_empty(), "{name}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_with_line_and_suggestion() {
        let message = refused("port = 1\nprot = 2\n");
        assert!(message.starts_with("g.toml:2:1: unknown field `prot`"), "{message}");
        assert!(message.ends_with("did you mean `port`?"), "{message}");
        let message = refused("[streams.a]\nshard = 2\n");
        assert!(message.contains("g.toml:2:1") && message.ends_with("did you mean `shards`?"), "{message}");
        let message = refused("[deliveries.a]\nsource = \"s\"\narchive = { compresion = \"gzip\" }\n");
        assert!(message.contains("compresion") && message.ends_with("did you mean `compression`?"), "{message}");
    }

    #[test]
    fn credentials_that_cannot_be_meant_are_refused() {
        let keys = "[credentials.alice]\naccess_key_id = \"AKIDALICE\"\n";
        for (text, part) in [
            ("[credentials.alice]\nsecret = \"s\"", "missing field `access_key_id`"),
            (keys, "credential `alice`: give one of `secret` and `secret_file`"),
            (&format!("{keys}secret = \"s\"\nsecret_file = \"f\""), "give one of `secret` and `secret_file`"),
            (&format!("{keys}secrets = \"s\""), "did you mean `secret`?"),
            (
                &format!(
                    "{keys}secret = \"s\"\n[[credentials.alice.policy]]\neffect = \"perhaps\"\nactions = []\nresources = []"
                ),
                "perhaps",
            ),
            (
                &format!(
                    "{keys}secret = \"s\"\n[[credentials.alice.policy]]\neffect = \"allow\"\nactions = [\"Put\"]\nresources = [\"*\"]"
                ),
                "action `Put` is not",
            ),
            (
                &format!(
                    "{keys}secret = \"s\"\n[[credentials.alice.policy]]\neffect = \"allow\"\nactions = [\"*\"]\nresources = [\"rides\"]"
                ),
                "resource `rides` is not",
            ),
            ("[credentials.\"a b\"]\naccess_key_id = \"A\"\nsecret = \"s\"", "names are 1 to 64 letters"),
            ("region = \"US\"", "region `US` must be"),
            ("account_id = \"1\"", "must be twelve digits"),
        ] {
            let message = refused(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn secrets_are_not_shown_with_the_rest() {
        let text = "[credentials.alice]\naccess_key_id = \"AKIDALICE\"\nsecret = \"canary-canary-canary\"\ntoken = \"canary-canary-canary\"";
        let config = Config::parse(Path::new("g.toml"), text).expect("it reads");
        assert!(!format!("{config:?}").contains("canary"));
        let known = credential::read_all(&config.credentials, Path::new("")).expect("it is whole");
        assert!(!format!("{known:?}").contains("canary"));
    }

    #[test]
    fn sensor_ports_and_schemas_are_understood_or_refused_by_place() {
        let schema = "[[sensor.schema]]\nid = 7\nfields = [{ name = \"rpm\", kind = \"u16\" }, { name = \"at\", kind = { text = 8 } }]\n";
        let port = |number: u16, rest: &str| {
            format!("[[sensor.port]]\nport = {number}\nstream = \"plant\"\nschema = 7\n{rest}\n")
        };
        let text = format!(
            "{schema}{}",
            port(9000, "policy = \"hold\"\nkeys = \"plant.toml\"\nrate = { per_second = 10, burst = 5 }")
        );
        let config = Config::parse(Path::new("g.toml"), &text).expect("it reads");
        assert_eq!((config.sensor.schema.len(), config.sensor.ports().len()), (1, 1));
        for (text, part) in [
            (format!("{schema}{schema}"), "sensor: schema 7 is defined twice"),
            (schema.replace("u16", "u61"), "g.toml:3:"),
            (schema.replace("u16", "u61"), "did you mean `u16`?"),
            (schema.replace("rpm", "seq"), "field name `seq` is taken"),
            (format!("{}{}", port(9000, ""), port(9000, "")), "sensor: port 9000 is defined twice"),
            (port(0, ""), "sensor: port 0 receives nothing"),
            (port(9000, "police = \"hold\""), "did you mean `policy`?"),
            (port(9000, "policy = \"holt\""), "did you mean `hold`?"),
            (
                format!("{}{}", port(9000, ""), port(9001, "").replace("schema = 7", "schema = 8")),
                "stream `plant` holds schema 7",
            ),
            ("[sensor]\npollers = 0".to_owned(), "sensor: pollers must be 1 to 64"),
        ] {
            let message = refused(&text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        assert!(refused("[streams.a]\nshards = 0").contains("stream `a`: shards must be 1 to 10000"));
        assert!(refused("[streams.\"a b\"]\nshards = 1").contains("name `a b` is not valid"));
        let delivery = "[deliveries.a]\nsource = \"s\"\narchive = { interval_seconds = 0 }";
        assert!(refused(delivery).contains("interval_seconds must be 1 to 3600"));
        let twice = "[deliveries.a]\nsource = \"s\"\narchive = {}\n[deliveries.b]\nsource = \"s\"\narchive = {}";
        assert!(refused(twice).contains("deliveries `a` and `b` would archive stream `s`"));
        for folder in ["errors", "conflicts", ".tmp"] {
            let message = refused(&format!("[deliveries.a]\nsource = \"{folder}\"\narchive = {{}}"));
            assert!(message.contains(&format!("keeps a folder `{folder}`")), "{message}");
        }
        assert!(refused("[deliveries.a]\nsource = \"s\"").contains("exactly one of `table` and `archive`"));
        let unknown =
            refused("[tables.Rides]\npartition_key = \"a\"\n[deliveries.a]\nsource = \"s\"\ntable = \"Ride\"");
        assert!(unknown.starts_with("g.toml:5:9: delivery `a`: the settings have no `[tables.Ride]`"), "{unknown}");
        assert!(unknown.ends_with("did you mean `Rides`?"), "{unknown}");
        let binary = "[tables.R]\npartition_key = \"a\"\nsort_key = \"b\"\nsort_key_type = \"binary\"\n";
        let binary = refused(&format!("{binary}[deliveries.a]\nsource = \"s\"\ntable = \"R\""));
        assert!(binary.contains("key `b` of table `R` is binary"), "{binary}");
        assert!(refused("[kafka]\nbrokers = \"here\"").contains("kafka: brokers must be like"));
        let kafka = |line: &str| refused(&format!("[kafka]\nbrokers = \"a:1\"\n{line}"));
        assert!(kafka("tail_mib_max = 0").contains("kafka: tail_mib_max must be 1 to 16384"));
        assert!(kafka("client = { acks = 1 }").contains("`acks` cannot be set for Kafka"));
        assert!(kafka("[encryption]\nkey_file = \"keys\"").contains("remove key_file"));
        assert!(refused("[s3]\nbucket = \"a/b\"").contains("s3: bucket `a/b` is not"));
        assert!(refused("[s3]\nbucket = \"a\"\nprefix = \"b\"").contains("must look like `archive/`"));
        assert!(
            refused("[s3]\nbucket = \"a\"\nendpoint = \"localhost:9000\"").contains("s3: endpoint `localhost:9000`")
        );
        assert!(refused("[s3]\nbucket = \"a\"\nsecret = \"b\"").contains("unknown field `secret`"));
        assert!(refused("[dynamodb]\nattempts_max = 0").contains("dynamodb: attempts_max must be 1 to 20"));
        assert!(refused("[dynamodb]\ntable_prefix = \"a b\"").contains("table_prefix `a b`"));
        let table = "[tables.T]\npartition_key = \"a\"\nfinal_rows = true";
        assert!(refused(table).contains("table `T`: final_rows is for tables in DynamoDB"));
    }
}
