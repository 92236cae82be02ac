//! The roof: command line, configuration and wiring.

fn main() {}
