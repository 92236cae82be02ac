//! The web page and its live feed.

pub mod sensor_console;
