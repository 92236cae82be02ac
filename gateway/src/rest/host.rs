//! Who may ask: a web page in the user's browser must not read tables by giving its own name our address.
//!
//! Such a page is caught by its `Host` or `Origin`: only loopback, and the address the request came in at, pass.
//! Clients that send neither are no browsers.

use std::net::IpAddr;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;

use crate::accept::LocalAddress;
use crate::rest::error::RestError;

/// Lets a request pass, or answers 403.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    match refusal(&request) {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    }
}

fn refusal(request: &Request) -> Option<RestError> {
    let local = request.extensions().get::<LocalAddress>().map(|local| local.0.ip());
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = header(ORIGIN).map(|origin| origin.split_once("://").map_or("?", |(_, authority)| authority));
    let host = header(HOST).or_else(|| request.uri().authority().map(Authority::as_str));
    let named = [("Host", host), ("Origin", origin)];
    let (name, foreign) =
        named.into_iter().find_map(|(name, found)| Some((name, found.filter(|found| !is_ours(found, local))?)))?;
    let message = format!("{name} `{foreign}` is not this server: use a loopback name or its own address");
    Some(RestError::new(StatusCode::FORBIDDEN, "host_refused", message))
}

fn is_ours(authority: &str, local: Option<IpAddr>) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || local.is_some_and(|local| local.to_canonical() == ip.to_canonical()),
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_the_own_address_pass() {
        let local = Some("10.0.0.5".parse().expect("an address"));
        for ours in
            ["localhost", "localhost:8080", "LOCALHOST.:1", "127.0.0.1:80", "[::1]:80", "10.0.0.5", "a.localhost"]
        {
            assert!(is_ours(ours, local), "{ours}");
        }
        for foreign in ["evil.example", "localhost.evil.example", "10.0.0.6", "", "127.0.0.1.nip.io", "null", "?"] {
            assert!(!is_ours(foreign, local), "{foreign}");
        }
    }
}
