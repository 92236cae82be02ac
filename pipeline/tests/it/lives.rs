//! The lives of a stream's name and of a data folder: a source is deleted and created anew, and a
//! folder becomes an older copy of itself while table and archive are ahead of it.
//!
//! `LIVES=1000` and `RESTORES=100` make a night of it (`make lives`).

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::anew::{SETTINGS, count, last_of_each, latest, lives, put};
use crate::conservation::{QUERY, Site};
use crate::rest::get;
use crate::server::{Server, eventually, folder_with};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_deleted_and_created_anew_under_flows() {
    lives(&Site::default(), number("LIVES", 8)).await;
}

/// Waits until a flow has all there is.
async fn caught_up(server: &Server, path: &str) -> Value {
    eventually("a flow has all there is", async || {
        let report = get(&format!("{}/v1/{path}", server.url)).await;
        (report["state"] == "running" && report["behind"] == 0).then_some(report)
    })
    .await
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().expect("cp is there").success());
}

/// A copy is made of a server that was killed before all was archived; it comes back, and from
/// the second time on all that it holds was archived meanwhile, in other objects than it would make.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_becomes_an_older_copy_under_a_table_and_an_archive_that_are_ahead() {
    let (_keep, data) = folder_with(&[("gallop.toml", SETTINGS), ("count.sql", QUERY)]);
    let (streams, older) = (data.join("streams"), data.join("older"));
    let server = Server::start(&data);
    put(&server, 0, 500).await;
    caught_up(&server, "deliveries/kept").await;
    // No object holds these when the server is killed.
    put(&server, 500, 700).await;
    server.kill();
    copy(&streams, &older);

    let mut puts = 700;
    for round in 0..number("RESTORES", 2) + 1 {
        if round > 0 {
            std::fs::remove_dir_all(&streams).expect("removed");
            copy(&older, &streams);
        }
        let server = Server::start(&data);
        assert_eq!(count(&server), puts, "what only the archive has is still there");
        for _ in 0..3 {
            put(&server, puts, puts + 100).await;
            puts += 100;
            assert_eq!(count(&server), puts, "old and new ones are found, once each");
        }
        for path in ["queries/count", "deliveries/kept", "deliveries/latest"] {
            caught_up(&server, path).await;
        }
        assert_eq!(count(&server), puts);
        assert_eq!(latest(&server).await, last_of_each(puts), "new items win over those that were ahead");
        let distinct = server.sql("SELECT COUNT(DISTINCT \"N\") AS \"n\" FROM \"numbers\"")[0]["n"].as_u64();
        assert_eq!(distinct, Some(puts));
        server.terminate();
        server.ended().await;
    }
    assert!(!data.join("archive/conflicts").exists());
}
