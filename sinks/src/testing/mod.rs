//! For tests: real servers started by the scripts in `infra/`, and a proxy that makes calls to them fail.

pub mod fault_proxy;
#[cfg(feature = "aws")]
pub mod real_server;
