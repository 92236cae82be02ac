//! The web page and its live feed.
//!
//! ```text
//! StreamStore ──▶ follower ──▶ fleet, windows ──┐
//!             ──▶ survey   ──▶ overview ────────┼──▶ hub: a frame for all ──▶ live: one connection a page
//!                                               ┘
//! web/ ──▶ assets ──▶ page
//! ```
//!
//! The modules stand in reading order. Nothing is read while nobody looks; one reader serves all pages.

pub mod assets;
mod fleet;
mod follower;
mod hub;
mod live;
pub mod options;
mod overview;
mod page;
mod reading;
pub mod routes;
mod survey;
mod windows;
