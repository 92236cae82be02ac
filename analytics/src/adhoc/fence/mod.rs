//! What a query may do: which statements run, what functions may make, what a session may reach.

pub(crate) mod statement;

pub(crate) mod session;
