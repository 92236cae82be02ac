//! Services of others that the settings name: whether they can be reached and used.

use std::path::Path;
use std::time::Duration;

use model::doctor::Finding;
use model::text::chain::chain;

use crate::config::file::Config;
use crate::doctor::finding::{fail, ok};

/// How long each may take to answer.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The brokers, where streams are on Kafka.
pub(crate) async fn kafka(config: &Config) -> Finding {
    let check = "kafka.brokers";
    #[cfg(feature = "kafka")]
    if let Some(kafka) = &config.kafka {
        let fix = "start the cluster, or correct brokers and client in [kafka]; see `gallop config show --sources`";
        return match ingest::kafka::probe::probe(kafka.options(), ANSWER_MAX).await {
            Ok(report) if report.leaderless > 0 => crate::doctor::finding::warn(
                check,
                format!("{} of the partitions have no leader", report.leaderless),
                "wait until the cluster has recovered, or bring its brokers back",
            ),
            Ok(report) => {
                let (brokers, library) = (report.brokers.join(", "), report.library);
                ok(check, format!("{brokers}; {} topics; librdkafka {library}", report.topics))
            }
            Err(error) => fail(check, format!("{} does not answer: {error}", kafka.brokers), fix),
        };
    }
    let _ = config;
    ok(check, "streams are on this machine")
}

/// The archive: a folder, or a bucket.
pub(crate) async fn archive(config: &Config, data: &Path) -> Finding {
    let check = "archive.place";
    #[cfg(feature = "s3")]
    if let Some(s3) = &config.s3 {
        use sinks::archive::s3::S3Archive;
        let options = s3.options();
        let bucket = options.bucket.clone();
        let creates = options.create_bucket;
        let asked = async {
            let archive = S3Archive::connect(options).await;
            if creates && !archive.has_bucket().await? {
                return Ok(false);
            }
            archive.check().await.map(|()| true)
        };
        let fix = "correct [s3], or the credentials and the bucket's policy; see `gallop config show --sources`";
        return match tokio::time::timeout(ANSWER_MAX, asked).await {
            Ok(Ok(true)) => ok(check, format!("bucket `{bucket}` exists, is writable and supports conditional puts")),
            Ok(Ok(false)) => ok(check, format!("bucket `{bucket}` does not exist yet; the first start creates it")),
            Ok(Err(error)) => fail(check, chain(&error), fix),
            Err(_) => fail(check, format!("bucket `{bucket}` does not answer within {ANSWER_MAX:?}"), fix),
        };
    }
    let _ = config;
    let folder = data.join("archive");
    match std::fs::metadata(&folder) {
        Ok(about) if about.is_dir() => ok(check, folder.display().to_string()),
        Ok(_) => fail(check, format!("{} is not a folder", folder.display()), "move that file away"),
        Err(_) => ok(check, "does not exist yet; the first start creates it"),
    }
}

/// The tables' keys, where tables are in DynamoDB.
pub(crate) async fn dynamodb(config: &Config) -> Option<Finding> {
    #[cfg(feature = "dynamodb")]
    if let Some(dynamodb) = &config.dynamodb {
        use std::sync::Arc;

        use model::clock::SystemClock;
        use model::table::store::{TableError, TableStore};
        use sinks::table::dynamodb::DynamoTables;

        let check = "tables.dynamodb";
        let asked = async {
            let tables = DynamoTables::open(Arc::new(SystemClock), dynamodb.options(&config.tables)).await;
            let (mut there, mut missing) = (0, 0);
            for (name, table) in &config.tables {
                match tables.describe(name).await {
                    Ok(found) if found == table.schema(name) => there += 1,
                    Ok(_) => return Err(format!("table `{name}` has different keys than in the settings")),
                    Err(TableError::NotFound(_)) => missing += 1,
                    Err(error) => return Err(chain(&error)),
                }
            }
            Ok(format!("{there} tables match the settings; {missing} will be created at the start"))
        };
        let fix = "correct [dynamodb] and [tables], or the credentials and their policy";
        return Some(match tokio::time::timeout(ANSWER_MAX, asked).await {
            Ok(Ok(found)) => ok(check, found),
            Ok(Err(why)) => fail(check, why, fix),
            Err(_) => fail(check, format!("DynamoDB does not answer within {ANSWER_MAX:?}"), fix),
        });
    }
    let _ = config;
    None
}
