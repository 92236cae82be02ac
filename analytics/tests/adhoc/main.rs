//! Ad hoc SQL over archives and live tails.

mod access;
mod exactness;
mod fence;
mod fixture;
mod names;
mod promises;
mod sensors;
mod values;
mod workers;
