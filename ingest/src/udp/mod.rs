//! Sensor datagrams from ordinary sockets: anywhere, without privileges, and beside the path past the kernel for what it
//! leaves to the kernel (IPv6, fragments, VLANs, other interfaces).
//!
//! One poller per processor, each with a socket of its own on each port (SO_REUSEPORT): the kernel gives all datagrams
//! of one sender to the same poller, in order. A poller takes up to 64 datagrams a call (recvmmsg(2)).

pub(crate) mod burst;
mod drops;
mod poller;
pub mod receiver;
