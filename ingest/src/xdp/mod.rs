//! Sensor datagrams past the kernel's network stack: AF_XDP, with nothing but `libc`.
//!
//! ```text
//!  NIC ─▶ driver ─▶ steering program ─┬─ programmed port ─▶ receive ring ─▶ poller ─▶ Intake (in place)
//!                   (program.rs)      │                     (ring.rs)     │
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

mod assembler;
mod bpf;
mod cursor;
pub mod generator;
mod interface;
mod mapping;
mod packet;
mod poller;
pub mod privileges;
pub mod program;
pub mod receiver;
pub mod setup;
mod shared_ring;
mod socket;
