//! A record of several JSON objects, packed or with a byte order mark: each object is a row.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use model::stream::hash_key::PartitionKey;
use model::stream::record::PutEntry;
use model::stream::store::StreamStore;

use crate::rig::{Rig, settle};

const DECLARED: &str = r#"CREATE STREAM "in" ("n" BIGINT);"#;
const PUMP: &str = r#"CREATE PUMP p AS INSERT INTO "out" SELECT STREAM COUNT(*) AS "rows", SUM("n") AS "sum"
    FROM "in" GROUP BY STEP("in".ROWTIME BY INTERVAL '10' SECOND);"#;

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn each_object_of_a_record_is_a_row() {
    for sql in [format!("{DECLARED}{PUMP}"), PUMP.to_owned()] {
        let rig = Rig::new(&sql).await;
        let whole = packed("\u{feff}{\"n\":32}\r\n{\"n\":64}\r\n");
        let cut = whole[..whole.len() - 9].to_vec();
        let texts =
            ["{\"n\":1}\n{\"n\":2}", "{\"n\":4}{\"n\":8}\r\n", "\u{feff}{\"n\":16}", "", " \r\n", "{\"n\":1000} [2]"];
        let records = texts.map(|text| text.as_bytes().to_vec()).into_iter().chain([whole, cut]);
        for data in records {
            let entry = PutEntry::new(PartitionKey::new("k").unwrap(), data);
            rig.store.append(&"in".parse().unwrap(), vec![entry]).await.unwrap();
            settle().await;
        }
        assert_eq!(rig.rows().await, [r#"{"rows":7,"sum":127}"#]);
        let status = rig.status();
        assert_eq!((status.records, status.left_out), (8, 4), "{status:?}");
        let reason = status.last_left_out.map(|(_, reason)| reason).unwrap();
        assert!(reason.contains("cannot be unpacked"), "{reason}");
    }
}
