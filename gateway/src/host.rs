//! Who may ask: a web page in the user's browser must not reach this server by giving its own name our address.
//!
//! Such a page is caught by its `Host` or `Origin`: only loopback, the address the request came in at, and the names
//! in [`GatewayOptions::hosts`](crate::state::GatewayOptions::hosts) pass. Clients that send neither are no browsers.
//! The REST API looks at both. Kinesis looks at `Origin`, which browsers send with every POST, and at `Host` where a
//! browser sends none: an SDK may come under any name of the server.

use std::net::IpAddr;

use axum::extract::Request;
use http::header::{HOST, HeaderName, ORIGIN};
use http::uri::Authority;

use crate::accept::arrival::Arrival;

/// The `Host` of a request that is not this server's, if it has one.
pub(crate) fn foreign_host<'a>(request: &'a Request, hosts: &[String]) -> Option<&'a str> {
    let host = header(request, HOST).or_else(|| request.uri().authority().map(Authority::as_str));
    host.filter(|host| !is_ours(host, local(request), hosts))
}

/// The `Origin` of a request, without its scheme, that is not this server's, if it has one.
pub(crate) fn foreign_origin<'a>(request: &'a Request, hosts: &[String]) -> Option<&'a str> {
    let origin = header(request, ORIGIN).map(|origin| origin.split_once("://").map_or("?", |(_, rest)| rest));
    origin.filter(|origin| !is_ours(origin, local(request), hosts))
}

/// Whether a browser sent this: no page can keep it from saying so.
pub(crate) fn is_of_browser(request: &Request) -> bool {
    request.headers().contains_key("sec-fetch-site")
}

fn header(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn local(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Arrival>().map(|arrival| arrival.local.ip())
}

fn is_ours(authority: &str, local: Option<IpAddr>, hosts: &[String]) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || local.is_some_and(|local| local.to_canonical() == ip.to_canonical()),
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host == "localhost"
                || host.ends_with(".localhost")
                || hosts.iter().any(|ours| ours.eq_ignore_ascii_case(&host))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_the_own_address_and_named_hosts_pass() {
        let hosts = ["Gallop.example".to_owned()];
        let local = Some("10.0.0.5".parse().expect("an address"));
        for ours in [
            "localhost",
            "localhost:8080",
            "LOCALHOST.:1",
            "127.0.0.1:80",
            "[::1]:80",
            "10.0.0.5",
            "a.localhost",
            "gallop.example:80",
        ] {
            assert!(is_ours(ours, local, &hosts), "{ours}");
        }
        for foreign in ["evil.example", "localhost.evil.example", "10.0.0.6", "", "127.0.0.1.nip.io", "null", "?"] {
            assert!(!is_ours(foreign, local, &hosts), "{foreign}");
        }
    }
}
