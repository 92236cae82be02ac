//! Checks of the machine: its data folder, memory and limits, and the kernel's path for sensor
//! frames.

pub(crate) mod folder;
pub(crate) mod machine;
pub(crate) mod sensors;
