//! Commands that need no server: a query over a file, the files in a data folder, help for shells.

pub(super) mod completions;
mod found;
mod leftovers;
pub(super) mod inspect;
pub(super) mod repair;
pub(super) mod run;
