//! What checkpoints cost, and how much state they may hold.

use std::time::Duration;

use analytics::continuous::error::QueryError;
use analytics::continuous::query::QueryOptions;
use model::stream::store::StreamStore;

use crate::rig::{Rig, settle};

const PER_KEY: &str = r#"CREATE STREAM "in" ("k" VARCHAR(32), "v" BIGINT);
    CREATE PUMP p AS INSERT INTO "out" SELECT STREAM "k", SUM("v") AS "n", COUNT(*) AS "count"
    FROM "in" GROUP BY STEP("in".ROWTIME BY INTERVAL '1' HOUR), "k";"#;

fn record(key: u64) -> String {
    format!(r#"{{"k":"unicorn-{key:06}","v":1}}"#)
}

#[tokio::test]
async fn a_large_state_that_hardly_changes_is_hardly_written() {
    const GROUPS: u64 = 3000;
    const SECONDS: u64 = 600;
    let rig = Rig::new(PER_KEY).await;
    rig.put_together(&(0..GROUPS).map(record).collect::<Vec<_>>()).await;
    rig.clock.advance(Duration::from_secs(1));
    settle().await;
    let checkpoint = || async { rig.store.checkpoint(&"out".parse().unwrap(), &"q".parse().unwrap()).await.unwrap() };
    let first = checkpoint().await.unwrap();
    for second in 0..SECONDS {
        rig.put(&[&record(second * 7 % GROUPS)]).await;
        rig.clock.advance(Duration::from_secs(1));
        settle().await;
    }
    let last = checkpoint().await.unwrap();
    let state_bytes = last.state.len() as u64;
    let (written, changed) = ((last.version - first.version) * state_bytes, SECONDS * state_bytes / GROUPS);
    assert!(100_000 < state_bytes, "the state is large: {state_bytes} bytes");
    assert!(written <= 2 * changed + SECONDS * 1_000_000 / 60, "{written} bytes for {changed} bytes of changes");
    assert!(10 * written < SECONDS * state_bytes, "{written} bytes, and {SECONDS} times {state_bytes} each second");
    assert!(SECONDS / 60 <= last.version - first.version, "no minute without a checkpoint");
}

#[tokio::test]
async fn a_query_with_too_much_state_stops_and_says_so() {
    let options = QueryOptions { state_bytes_max: 64 << 10, ..QueryOptions::default() };
    let mut rig = Rig::with(PER_KEY, options).await;
    // Few groups fit, however often they come.
    for _ in 0..40 {
        rig.put_together(&(0..500).map(|key| record(key % 20)).collect::<Vec<_>>()).await;
    }
    assert!(!rig.running.is_finished());
    rig.put_together(&(0..3000).map(record).collect::<Vec<_>>()).await;
    rig.clock.advance(Duration::from_secs(20));
    settle().await;
    assert!(rig.running.is_finished());
    let error = (&mut rig.running).await.unwrap().unwrap_err();
    assert!(matches!(error, QueryError::StateTooLarge { bytes_max: 65_536, .. }), "{error:?}");
    assert!(error.to_string().contains("group by fewer values"), "{error}");
}
