//! Files and folders of others in the store's folder are left alone, and reported.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use ingest::log::options::LogOptions;
use ingest::log::store::LogStore;
use model::disk::StdDisk;
use model::name::StreamName;
use model::stream::store::{StreamError, StreamOptions, StreamStore};

use crate::common::{clock, entry, put, stream};

/// What the store writes to the program's log, in all tests of this process.
#[derive(Clone, Default)]
struct ProgramLog(Arc<Mutex<Vec<u8>>>);

impl ProgramLog {
    fn listen() -> ProgramLog {
        static LOG: OnceLock<ProgramLog> = OnceLock::new();
        let listen = || {
            let log = ProgramLog::default();
            let writer = log.clone();
            let lines = tracing_subscriber::fmt().with_env_filter("ingest::log::folder=info").with_ansi(false);
            lines.with_writer(move || writer.clone()).init();
            log
        };
        LOG.get_or_init(listen).clone()
    }

    /// The lines that name both.
    fn lines(&self, folder: &Path, name: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let (folder, name) = (folder.display().to_string(), format!("name={name} "));
        text.lines().filter(|line| line.contains(&folder) && line.contains(&name)).map(str::to_owned).collect()
    }
}

impl Write for ProgramLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn open(folder: &Path) -> LogStore {
    LogStore::open(clock(), Arc::new(StdDisk), folder, LogOptions::small()).await.unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone_and_reported() {
    let (log, scratch) = (ProgramLog::listen(), tempfile::tempdir().unwrap());
    let at = |name: &str| scratch.path().join(name);
    let store = open(scratch.path()).await;
    store.create(&stream(), StreamOptions::default()).await.unwrap();
    put(&store, vec![entry("k", "kept")]).await;
    store.close().await;
    drop(store);

    copy(&at("rides"), &at("rides~backup"));
    fs::write(at("notes~"), "an editor's").unwrap();
    fs::write(at("plan~new"), "a file").unwrap();
    copy(&at("rides"), &at("walks~trash"));
    fs::write(at("walks~trash").join("README"), "mine").unwrap();
    fs::create_dir_all(at("cars~new").join("wheels")).unwrap();
    fs::create_dir_all(at("~new")).unwrap();
    let foreign = ["rides~backup", "notes~", "plan~new", "walks~trash", "cars~new", "~new"];
    copy(&at("rides"), &at("boats~new"));
    copy(&at("rides"), &at("trains~trash"));
    fs::create_dir(at("planes~new")).unwrap();
    let ours = ["boats~new", "trains~trash", "planes~new"];

    let store = open(scratch.path()).await;
    for name in foreign {
        assert!(at(name).exists(), "{name} is left alone");
        let lines = log.lines(scratch.path(), name);
        assert!(lines.len() == 1 && lines[0].contains("left alone"), "{lines:?}");
    }
    assert_eq!([files_in(&at("rides~backup")), files_in(&at("walks~trash"))], [3, 4], "as a whole");
    for name in ours {
        assert!(!at(name).exists(), "{name} is removed");
        let lines = log.lines(scratch.path(), name);
        assert!(lines.len() == 1 && lines[0].contains("removed"), "{lines:?}");
    }
    assert_eq!(store.list().await.unwrap(), [stream()]);

    // A place that somebody else has taken is not cleared for a new stream either.
    let cars = StreamName::new("cars").unwrap();
    let refused = store.create(&cars, StreamOptions::default()).await.unwrap_err();
    let StreamError::Io { source, .. } = &refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("move it away"), "{source}");
    assert!(at("cars~new").join("wheels").exists());
    fs::remove_dir_all(at("cars~new")).unwrap();
    store.create(&cars, StreamOptions::default()).await.unwrap();
}
