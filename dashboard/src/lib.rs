//! The web page and its live feed.
//!
//! ```text
//! StreamStore ──▶ follower ──▶ fleet, windows ──┐
//!             ──▶ survey   ──▶ overview ────────┼──▶ hub: a frame for all ──▶ live: one connection a page
//!                                               ┘
//! web/ ──▶ assets ──▶ page
//! ```
//!
//! Nothing is read while no page is open. One reader serves all pages: a frame is made once and
//! sent to every connection. A slow page has no queue; it gets the newest frame.

pub mod assets;
mod fleet;
mod follower;
mod hub;
#[cfg(test)]
mod known_flows;
mod live;
pub mod options;
mod overview;
mod page;
mod reading;
pub mod routes;
mod survey;
mod windows;
