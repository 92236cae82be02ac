//! Who may reach the server and do what: credentials, certificates, keys, browsers.

pub(crate) mod account;
pub(crate) mod credential;
pub(crate) mod first_credential;
pub(crate) mod admission;
pub(crate) mod browser;
pub(crate) mod encryption;
pub(crate) mod tls;
pub(crate) mod exposure;
