//! The dashboard, as a browser shows it: the scripts of `../clients/browser`, with Debian's Chromium.
//!
//! Each starts servers of its own. They run one after the other: what they measure is printed, and two browsers at a time
//! would measure each other. Screenshots stay below the cargo target folder, in `browser`.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use crate::installed::installed;
use crate::rest::answer;
use crate::server::{Server, folder_with};

static ONE_BY_ONE: Mutex<()> = Mutex::new(());

/// Runs a script, and holds it to success.
fn check(script: &str) {
    let _turn = ONE_BY_ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = installed("browser");
    let pictures = folder.join("../../browser");
    let mut command = Command::new("node");
    command
        .arg(folder.join(format!("{script}.mjs")))
        .env("GALLOP", env!("CARGO_BIN_EXE_gallop"))
        .env("PICTURES", &pictures);
    command.env("WEB", Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboard/web"));
    let output = command.output().expect("node starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim_end().ends_with(": ok"), "{script}:\n{out}\n{err}");
    print!("{script}: {out}");
}

#[test]
fn a_newcomer_sees_the_fleet_and_its_first_window() {
    check("newcomer");
}

#[test]
fn every_page_is_accessible_small_and_from_here() {
    check("pages");
}

#[test]
fn a_page_comes_back_with_its_server() {
    check("restart");
}

#[test]
fn records_are_text_and_strangers_read_nothing() {
    check("strangers");
}

#[test]
fn sql_is_asked_and_shards_are_cut_in_the_page() {
    check("console");
}

#[test]
fn keys_alone_are_enough() {
    check("hands");
}

#[test]
fn a_crowd_is_drawn_in_time() {
    check("crowd");
}

/// The page holds no data, so it is given to whoever asks; what it shows is not.
#[tokio::test]
async fn data_asks_who_is_there_and_the_page_does_not() {
    let (_keep, data) = folder_with(&[]);
    let server = Server::start_guarded(&data);
    for (path, expected) in [("/", 200), ("/v1/live?topics=fleet", 401), ("/v1/streams/rides/records", 401)] {
        let (status, _) = answer(&format!("{}{path}", server.plain_url())).await;
        assert_eq!(status, expected, "{path}");
    }
}
