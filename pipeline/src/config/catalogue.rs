//! Every setting, with its usual value and what it is for: what `config show` fills in and `config init` writes out. A test
//! holds the list against what the file is read with.

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The table it stands in, as its header says; `NAME` stands for any name, and the file's own keys stand in none.
    pub(crate) table: &'static str,
    pub(crate) key: &'static str,
    /// What holds where it is not there.
    pub(crate) usual: Usual,
    /// What it is for.
    pub(crate) about: &'static str,
}

/// What holds where a setting is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usual {
    /// A value, as TOML writes it.
    Value(&'static str),
    /// What words say.
    Said(&'static str),
    /// It must be there where its table is.
    Required(&'static str),
}

use Usual::{Required, Said, Value};

const fn setting(table: &'static str, key: &'static str, usual: Usual, about: &'static str) -> Setting {
    Setting { table, key, usual, about }
}

/// The variable, and the flag, that rank above a setting of the file itself.
pub(crate) const ABOVE: [(&str, &str, &str); 6] = [
    ("data", "GALLOP_DATA", "--data"),
    ("host", "GALLOP_HOST", "--host"),
    ("port", "GALLOP_PORT", "--port"),
    ("region", "GALLOP_REGION", "--region"),
    ("account_id", "GALLOP_ACCOUNT_ID", "--account-id"),
    ("signatures", "GALLOP_SIGNATURES", "--signatures"),
];

/// Tables that are there whether the file has them or not.
pub(crate) const ALWAYS: [&str; 9] =
    ["", "kinesis", "sql", "browser", "dashboard", "telemetry", "connections", "encryption", "sensor"];

/// All of them, in the order in which people look for them.
pub(crate) const SETTINGS: &[Setting] = &[
    setting("", "data", Value("\"gallop-data\""), "the data folder, relative to the working folder"),
    setting(
        "",
        "host",
        Value("\"127.0.0.1\""),
        "address to listen on; beyond loopback, verified signatures and [tls] are required",
    ),
    setting("", "port", Value("4567"), "port to listen on; 0 chooses a free one"),
    setting("", "region", Value("\"us-east-1\""), "region in ARNs and signatures"),
    setting("", "account_id", Value("\"000000000000\""), "account in ARNs: twelve digits"),
    setting(
        "",
        "signatures",
        Said("verify if there are credentials, or others reach the server; else any"),
        "verify or any: whether signatures are verified",
    ),
    setting(
        "",
        "verify_hours",
        Value("24"),
        "hours between two checks of all checksums in streams on this machine; 0 turns the checks off",
    ),
    setting(
        "tls",
        "certificate",
        Required("\"cert.pem\""),
        "the certificate and those that signed it, PEM; read again when it changes",
    ),
    setting("tls", "key", Required("\"key.pem\""), "its private key"),
    setting(
        "kinesis",
        "shard_quotas",
        Value("false"),
        "whether a shard is limited to the throughput of a Kinesis shard",
    ),
    setting("sql", "queries_max", Value("4"), "ad hoc queries that run at the same time, each in a process of its own"),
    setting("sql", "memory_mib_max", Value("1024"), "memory of one ad hoc query, in MiB"),
    setting("sql", "seconds_max", Value("300"), "how long one ad hoc query may take, in seconds"),
    setting("sql", "temp_mib_max", Value("8192"), "temporary files of one ad hoc query, in MiB"),
    setting("sql", "temp_free_mib_min", Value("1024"), "space that temporary files leave free on their disk, in MiB"),
    setting("sql", "reader_seconds_max", Value("5"), "how long an ad hoc query waits for a reader that takes no rows"),
    setting("browser", "hosts", Value("[]"), "names of this server under which web pages may call, besides loopback"),
    setting("browser", "origins", Value("[]"), "origins of pages that may call the Kinesis API"),
    setting("dashboard", "fleet", Value("\"wildrydes\""), "the stream of readings that the map shows"),
    setting(
        "telemetry",
        "otlp_endpoint",
        Said("no traces"),
        "a collector that accepts OTLP over HTTP, such as \"http://127.0.0.1:4318\"",
    ),
    setting("telemetry", "sample_ratio", Value("1.0"), "the share of requests that are traced"),
    setting("connections", "max", Value("10000"), "the most connections in all; more wait"),
    setting("connections", "per_address_max", Value("1000"), "the most connections of one address, loopback excepted"),
    setting("encryption", "key_file", Said("no keys"), "file of keys that streams may be encrypted with at rest"),
    setting("credentials.NAME", "access_key_id", Required("\"AKIDALICE\""), "the id that clients sign with"),
    setting("credentials.NAME", "account_id", Said("the server's"), "the principal's account, where it is another"),
    setting("credentials.NAME", "secret", Said("that of secret_file"), "the secret; better in a file"),
    setting("credentials.NAME", "secret_file", Said("secret is in this file"), "file with the secret"),
    setting("credentials.NAME", "session_token", Said("none"), "a session token that every signed request must carry"),
    setting("credentials.NAME", "session_token_file", Said("none"), "file with the session token"),
    setting("credentials.NAME", "token", Said("none"), "what REST clients send as Authorization: Bearer"),
    setting("credentials.NAME", "token_file", Said("none"), "file with the token"),
    setting("credentials.NAME", "policy", Said("it may do nothing"), "statements of what it may do"),
    setting("credentials.NAME.policy", "effect", Required("\"allow\""), "allow or deny"),
    setting(
        "credentials.NAME.policy",
        "actions",
        Required("[\"kinesis:Put*\"]"),
        "operations, as service:Operation, with * for any",
    ),
    setting("credentials.NAME.policy", "resources", Required("[\"*\"]"), "ARNs, with * for any"),
    setting("kafka", "brokers", Required("\"127.0.0.1:9092\""), "host:port of brokers, with commas between"),
    setting("kafka", "replication", Said("3, or as many as there are brokers"), "copies of every record"),
    setting(
        "kafka",
        "waiting_mib_max",
        Value("32"),
        "MiB that may wait to be acknowledged; beyond it producers are throttled",
    ),
    setting("kafka", "tail_mib_max", Value("64"), "MiB of the newest records kept in memory for readers at the tip"),
    setting("kafka", "answer_seconds_max", Value("30"), "how long a record waits for the brokers before it fails"),
    setting("kafka", "transaction_seconds_max", Value("30"), "how long a stalled process may keep a commit open"),
    setting(
        "kafka",
        "client",
        Value("{}"),
        "any other setting of librdkafka: { \"security.protocol\" = \"SASL_SSL\" }",
    ),
    setting("s3", "bucket", Required("\"gallop-archive\""), "the bucket"),
    setting("s3", "prefix", Value("\"\""), "what every key begins with, such as archive/"),
    setting("s3", "path_style", Said("true wherever an endpoint is given"), "put the bucket's name into the path"),
    setting("s3", "create_bucket", Value("false"), "create the bucket if it does not exist"),
    setting("s3", "endpoint", Said("the SDK's"), "a server with the S3 API; it must support If-None-Match"),
    setting("s3", "region", Said("the SDK's"), "the region"),
    setting("s3", "profile", Said("the SDK's"), "a profile of the SDK's configuration files"),
    setting("s3", "attempts_max", Value("4"), "attempts of a call; after them, the delivery waits and retries"),
    setting("s3", "attempt_timeout_ms", Value("30000"), "how long one attempt may take"),
    setting("dynamodb", "table_prefix", Value("\"\""), "what the names of all tables begin with there"),
    setting("dynamodb", "endpoint", Said("the SDK's"), "a server with the DynamoDB API"),
    setting("dynamodb", "region", Said("the SDK's"), "the region"),
    setting("dynamodb", "profile", Said("the SDK's"), "a profile of the SDK's configuration files"),
    setting("dynamodb", "attempts_max", Value("4"), "attempts of a call; after them, the delivery waits and retries"),
    setting("dynamodb", "attempt_timeout_ms", Value("30000"), "how long one attempt may take"),
    setting("sensor", "address", Said("loopback; all addresses with an interface"), "address to receive datagrams on"),
    setting("sensor", "interface", Said("ordinary sockets"), "network interface whose datagrams bypass the kernel"),
    setting(
        "sensor",
        "processors",
        Value("[]"),
        "the processor of each receive queue's poller; chosen automatically if empty",
    ),
    setting("sensor", "pollers", Said("one for each processor"), "threads that receive"),
    setting("sensor", "keys_folder", Said("sensor-keys in the data folder"), "folder with files of keys"),
    setting(
        "sensor",
        "allow_untagged",
        Value("false"),
        "whether ports beyond loopback may accept datagrams from anyone",
    ),
    setting("sensor", "schema", Value("[]"), "schemas of datagrams: id, fields"),
    setting("sensor", "port", Value("[]"), "ports for datagrams"),
    setting("sensor.schema", "id", Required("7"), "the number that every datagram repeats"),
    setting("sensor.schema", "fields", Required("[{ name = \"rpm\", kind = \"u16\" }]"), "the fields of a record"),
    setting("sensor.port", "port", Required("9000"), "its number"),
    setting("sensor.port", "stream", Required("\"plant\""), "the stream; created if it does not exist"),
    setting("sensor.port", "schema", Required("7"), "the schema of its datagrams"),
    setting(
        "sensor.port",
        "policy",
        Value("\"drop-newest\""),
        "what to do when the stream's writer is too slow: drop-newest or hold",
    ),
    setting(
        "sensor.port",
        "readers",
        Said("the stream's setting; json for a new stream"),
        "json or raw: what readers of the Kinesis API get",
    ),
    setting(
        "sensor.port",
        "keys",
        Said("no tags are required"),
        "file of keys in keys_folder; every datagram then needs a tag",
    ),
    setting("sensor.port", "addresses", Value("[]"), "ranges that datagrams may come from"),
    setting(
        "sensor.port",
        "rate",
        Said("no limit"),
        "the maximum rate of each source: { per_second = 1000, burst = 100 }",
    ),
    setting("streams.NAME", "shards", Value("1"), "number of shards when it is created"),
    setting("streams.NAME", "retention_hours", Value("24"), "hours to keep records"),
    setting("streams.NAME", "retention_bytes_max", Said("no limit"), "bytes to keep; the oldest are dropped first"),
    setting("tables.NAME", "partition_key", Required("\"Name\""), "the column that items are found by"),
    setting("tables.NAME", "partition_key_type", Value("\"string\""), "string, number or binary"),
    setting("tables.NAME", "sort_key", Said("none"), "the column that items of a partition are sorted by"),
    setting("tables.NAME", "sort_key_type", Value("\"string\""), "string, number or binary"),
    setting(
        "tables.NAME",
        "ttl_attribute",
        Said("none"),
        "in DynamoDB: the attribute with the second at which an item expires",
    ),
    setting(
        "tables.NAME",
        "final_rows",
        Value("false"),
        "in DynamoDB: rows of a key never change, so they are written in batches",
    ),
    setting("queries.NAME", "sql", Required("\"per-minute.sql\""), "the file of SQL, relative to this file"),
    setting("queries.NAME", "streams", Value("{}"), "streams by the name that the SQL uses for them"),
    setting(
        "queries.NAME",
        "start",
        Value("\"trim-horizon\""),
        "trim-horizon or latest: where to start the first time",
    ),
    setting("deliveries.NAME", "source", Required("\"wildrydes\""), "the stream to deliver"),
    setting(
        "deliveries.NAME",
        "start",
        Value("\"trim-horizon\""),
        "trim-horizon or latest: where to start the first time",
    ),
    setting("deliveries.NAME", "table", Said("archive is given"), "writes records as items of this table"),
    setting("deliveries.NAME", "archive", Said("table is given"), "writes records as objects of the archive"),
    setting("deliveries.NAME.archive", "compression", Value("\"zstd\""), "zstd, gzip or none"),
    setting(
        "deliveries.NAME.archive",
        "sensor_format",
        Value("\"parquet\""),
        "parquet or json: how objects of sensor records are written",
    ),
    setting("deliveries.NAME.archive", "bytes_max", Value("5242880"), "bytes of lines at which an object is cut"),
    setting(
        "deliveries.NAME.archive",
        "interval_seconds",
        Value("60"),
        "seconds after its first record at which an object is cut",
    ),
];

/// The settings of a table.
pub(crate) fn of_table(table: &str) -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(move |setting| setting.table == table)
}

/// The tables, in order.
pub(crate) fn tables() -> Vec<&'static str> {
    let mut tables: Vec<&str> = Vec::new();
    for setting in SETTINGS {
        if !tables.contains(&setting.table) {
            tables.push(setting.table);
        }
    }
    tables
}

#[cfg(all(test, feature = "dynamodb", feature = "kafka", feature = "s3"))]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::config::file::Config;

    /// Tables that are lists of their kind.
    const LISTS: [&str; 3] = ["credentials.NAME.policy", "sensor.schema", "sensor.port"];

    fn header(table: &str) -> String {
        match table {
            "" => String::new(),
            list if LISTS.contains(&list) => format!("[[{list}]]\n"),
            table => format!("[{table}]\n"),
        }
    }

    #[test]
    fn the_list_is_what_the_file_is_read_with() {
        let of_file: BTreeSet<&str> = tables().into_iter().filter_map(|table| table.split('.').next()).collect();
        for table in tables() {
            let text = format!("{}no_such_key = 1\n", header(table));
            let error = toml::from_str::<Config>(&text).expect_err("an unknown key");
            let mut known: BTreeSet<&str> = error.message().split('`').skip(3).step_by(2).collect();
            if table.is_empty() {
                known.retain(|key| !of_file.contains(key));
            }
            let listed: BTreeSet<&str> = of_table(table).map(|setting| setting.key).collect();
            assert_eq!(listed, known, "[{table}]: {}", error.message());
        }
    }

    #[test]
    fn usual_values_are_understood_and_are_those_of_the_code() {
        let mut text = String::new();
        for table in tables() {
            text.push_str(&header(table));
            for setting in of_table(table) {
                let lists = LISTS.contains(&format!("{table}.{}", setting.key).as_str()) || setting.key == "final_rows";
                if let (Value(value) | Required(value), false) = (setting.usual, lists) {
                    text.push_str(&format!("{} = {value}\n", setting.key));
                }
            }
        }
        // One of each pair.
        let text = text.replace("access_key_id", "secret = \"4711471147114711\"\naccess_key_id");
        Config::parse(Path::new("usual.toml"), &text).unwrap_or_else(|error| panic!("{error}\n{text}"));

        let bare: Config =
            toml::from_str("[streams.NAME]\n[s3]\nbucket = \"b\"\n[kafka]\nbrokers = \"a:1\"").expect("bare");
        let of =
            |table: &str, key: &str| match of_table(table).find(|setting| setting.key == key).expect("listed").usual {
                Value(value) => value.to_owned(),
                other => panic!("{table}.{key}: {other:?}"),
            };
        let gateway = bare.gateway();
        assert_eq!(of("", "region"), format!("\"{}\"", gateway.region));
        assert_eq!(of("", "account_id"), format!("\"{}\"", gateway.account_id));
        let verify = bare.verify_interval().expect("it is on");
        assert_eq!(of("", "verify_hours"), (verify.as_secs() / 3600).to_string());
        let accept = bare.connections.options(1 << 30);
        assert_eq!(of("connections", "max"), accept.connections_max.to_string());
        assert_eq!(of("connections", "per_address_max"), accept.connections_per_address_max.to_string());
        let kafka = bare.kafka.as_ref().expect("given").options();
        assert_eq!(of("kafka", "waiting_mib_max"), (kafka.waiting_bytes_max >> 20).to_string());
        assert_eq!(of("kafka", "tail_mib_max"), (kafka.tail_bytes_max >> 20).to_string());
        assert_eq!(of("kafka", "answer_seconds_max"), kafka.answer_delay_max.as_secs().to_string());
        let aws = bare.s3.as_ref().expect("given").options().aws;
        assert_eq!(of("s3", "attempts_max"), aws.attempts_max.to_string());
        assert_eq!(of("s3", "attempt_timeout_ms"), aws.attempt_timeout.as_millis().to_string());
        let stream = bare.streams.values().next().expect("given").options();
        assert_eq!(of("streams.NAME", "shards"), stream.shards.to_string());
        assert_eq!(of("streams.NAME", "retention_hours"), (stream.retention.as_secs() / 3600).to_string());
        assert_eq!(of("dashboard", "fleet"), format!("\"{}\"", bare.dashboard.fleet));
    }
}
