//! The web page and its live feed.
