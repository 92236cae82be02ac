//! The process behind a worker, as the server sees it: how it is started, what it uses, how it ends.

use std::io;

use async_trait::async_trait;
use model::query::engine::{SqlError, SqlErrorKind};
use tokio::io::{AsyncRead, AsyncWrite};

/// A bound of a worker. A query that reaches it is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkerLimit {
    /// Bytes of memory, of everything that the query does.
    Memory(u64),
    /// Bytes of a thread's stack.
    Stack(usize),
    /// Seconds from the query's turn to its last row.
    Time(u64),
    /// Bytes in temporary files.
    TempBytes(u64),
    /// Bytes that stay free where temporary files are.
    TempRoom(u64),
    /// Seconds in which the reader takes no rows.
    Reader(u64),
}

impl WorkerLimit {
    /// Every limit's word, as metrics have it.
    pub const WORDS: [&'static str; 6] = ["memory", "stack", "time", "temp_bytes", "temp_room", "reader"];

    /// The limit in a word.
    pub fn word(self) -> &'static str {
        match self {
            WorkerLimit::Memory(_) => "memory",
            WorkerLimit::Stack(_) => "stack",
            WorkerLimit::Time(_) => "time",
            WorkerLimit::TempBytes(_) => "temp_bytes",
            WorkerLimit::TempRoom(_) => "temp_room",
            WorkerLimit::Reader(_) => "reader",
        }
    }

    /// What whoever asked is told: what happened, and what to do.
    pub fn error(self) -> SqlError {
        let (message, suggestion) = match self {
            WorkerLimit::Memory(bytes) => (
                format!("the query needs more than {} MiB of memory", bytes >> 20),
                "narrow it with WHERE, use fewer columns or shorter texts",
            ),
            WorkerLimit::Stack(bytes) => (
                format!("the query is nested too deeply: it needs more than {} MiB of stack", bytes >> 20),
                "use IN (..) instead of many ORs, and fewer operators or levels",
            ),
            WorkerLimit::Time(seconds) => {
                (format!("the query took longer than {seconds} s"), "narrow it with WHERE, or ask for a part at a time")
            }
            WorkerLimit::TempBytes(bytes) => (
                format!("the query needs more than {} MiB of temporary files", bytes >> 20),
                "narrow it with WHERE, or sort, join and group fewer rows",
            ),
            WorkerLimit::TempRoom(bytes) => (
                format!("less than {} MiB are free where the query writes its temporary files", bytes >> 20),
                "free some space there, or narrow the query with WHERE",
            ),
            WorkerLimit::Reader(seconds) => (
                format!("the rows were not read for {seconds} s, so the query was ended to make room for others"),
                "read the rows as they come, or ask for fewer with LIMIT",
            ),
        };
        let suggestion = Some(suggestion.to_owned());
        SqlError { suggestion, ..SqlError::new(SqlErrorKind::LimitExceeded, message) }
    }
}

/// How a process came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// At a bound that it, or the system, keeps.
    Limit(WorkerLimit),
    /// Otherwise; in words.
    Otherwise(String),
}

impl Ended {
    /// What whoever asked is told.
    pub fn error(&self) -> SqlError {
        match self {
            Ended::Limit(limit) => limit.error(),
            Ended::Otherwise(how) => {
                let message = format!("the process that ran the query ended: {how}; the server is still running");
                SqlError::new(SqlErrorKind::Failed, message)
            }
        }
    }
}

/// A process that runs [`super::serve::serve`]. It ends when it is dropped, and when its pipes do.
#[async_trait]
pub trait WorkerProcess: Send {
    /// The bound that it is over now.
    fn over(&mut self) -> Option<WorkerLimit>;

    /// Whether it runs.
    fn is_alive(&mut self) -> bool;

    /// Whether it has grown so much that it should not be kept for the next query.
    fn is_large(&mut self) -> bool;

    /// Ends it now, whatever it does, and waits until it is gone.
    async fn kill(&mut self);

    /// How it ended. Called once its pipe has ended; one that still runs is ended first.
    async fn ended(&mut self) -> Ended;
}

/// A process that was started, and its pipes.
pub struct Launched {
    /// From the process.
    pub read: Box<dyn AsyncRead + Send + Unpin>,
    /// To the process.
    pub write: Box<dyn AsyncWrite + Send + Unpin>,
    /// The process.
    pub process: Box<dyn WorkerProcess>,
}

/// Starts processes.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts one.
    async fn launch(&self) -> io::Result<Launched>;
}
