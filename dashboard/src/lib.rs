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
//! sent to every connection. A slow page has no queue; it gets the newest frame. A caller who may
//! not read every stream gets frames of its own, which tell of those alone that it may read.
//!
//! `operations` is about the server, `fleet` about the unicorns that the demo simulates. `web/` has
//! the same two folders.

pub mod assets;
mod fleet;
mod follower;
mod hub;
mod live;
mod operations;
pub mod options;
mod page;
pub mod routes;
mod view;
