//! Continuous windowed SQL, and ad hoc SQL over archive and live tail.

pub mod adhoc;
