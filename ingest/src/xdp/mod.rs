//! Sensor datagrams past the kernel's network stack: AF_XDP, with nothing but `libc`.
//!
//! ```text
//!  NIC ─▶ driver ─▶ steering program ─┬─ programmed port ─▶ receive ring ─▶ poller ─▶ Intake (in place)
//!                   (program.rs)      │                     (socket.rs)   │
//!                                     └─ all else ─▶ kernel stack         └─▶ fill ring ─▶ NIC
//! ```
//!
//! The program is put together here at run time (no compiler, no file), looks a packet's port up in a map, and redirects
//! what is programmed to the socket of its receive queue. The map can be written as long as its descriptor is open,
//! without any privilege: so everything is set up first ([`setup::XdpSetup`]), then capabilities are dropped
//! ([`privileges::drop_all`]), then it is started ([`receiver::XdpReceiver`]). The program is attached by a link that the
//! kernel undoes when the process ends, however it ends.
//!
//! `unsafe` code stands in this folder alone: in `bpf`, `mapping`, `shared_ring`, `socket`, `interface` and `generator`,
//! behind safe faces. Arithmetic on ring positions is in `cursor`, without any.
#![allow(unsafe_code)]

mod cursor;
mod mapping;
mod shared_ring;
mod bpf;
mod assembler;
mod packet;
mod interface;
pub mod program;
mod socket;
pub mod privileges;
pub mod setup;
mod poller;
pub mod receiver;
pub mod generator;
