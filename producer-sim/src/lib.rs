//! Unicorns: a seeded fleet of producers.
