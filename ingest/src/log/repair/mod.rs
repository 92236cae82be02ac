//! Repairing a stream whose files are damaged, while no server has it open.
//!
//! ```text
//! examine: read every byte ──▶ plan: what is lost, which bytes are put in its place
//!                                │
//! apply:  originals aside ──▶ manifest with the losses ──▶ segments ──▶ indexes ──▶ a new last segment
//! ```
//!
//! Every frame that verifies stays byte for byte where it is. Lost bytes are filled
//! ([`crate::log::frames::lost`]), and the numbers of the records in them go into the manifest. A
//! repair that is interrupted is done again from the beginning; one that is complete finds nothing
//! more.

pub(crate) mod salvage;
pub(crate) mod ledger;
pub(crate) mod rebuild;
pub(crate) mod segment_plan;
pub mod plan;
pub mod examine;
pub mod apply;
