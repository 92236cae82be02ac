//! Ad hoc SQL in processes of its own: a query that crashes or takes too much ends a worker, and never the server.
//!
//! ```text
//! server                                          worker: one query at a time
//! engine ─▶ pool ─▶ session ══ query ═══════════▶ serve ─▶ AdhocEngine
//!                      ▲    ◀═ columns, rows ════   │
//!            backing ──┘    ◀═ calls: streams, ═════┘
//!                           ══ archive ═══════════▶
//! ```
//!
//! The two ends speak in frames over two pipes. A worker opens a local archive itself; streams, and an archive that is
//! elsewhere, it reads through the server, so it needs no connections, keys or files of the log. How a process is
//! started, watched and ended is behind a trait ([`process`]). A query that computes for long gives way to everything
//! else, by what its worker does to its own threads ([`priority`]). Modules stand in reading order.

pub(crate) mod frame;

mod failure;

pub(crate) mod message;

mod rows;

mod records;

pub mod process;

mod learned;

mod permitted;

mod backing;

mod calls;

mod remote_streams;

mod remote_archive;

mod remote_keeper;

mod remote_access;

mod threads;

pub mod priority;

pub mod serve;

mod session;

mod pool;

pub mod engine;
