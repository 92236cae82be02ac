//! Who can reach the server, and whether that is what its settings can mean.

use std::net::IpAddr;

/// Refuses an address that others can reach, unless those others are asked for their name and
/// cannot be overheard. `insecure` is the word of somebody who knows better. Error: what is wrong,
/// and what to do about it.
pub(crate) fn check(host: IpAddr, verified: bool, tls: bool, insecure: bool) -> Result<(), (String, &'static str)> {
    if host.to_canonical().is_loopback() || insecure || (verified && tls) {
        return Ok(());
    }
    let (lack, danger) = match (verified, tls) {
        (false, false) => (
            "signatures are not verified and no certificate is configured",
            "anyone who reaches it could read and write",
        ),
        (false, true) => ("signatures are not verified", "anyone who reaches it could read and write"),
        (true, _) => ("no certificate is configured", "others on the network could read the traffic"),
    };
    let advice = "use 127.0.0.1, or --signatures verify (which makes credentials if there are none) with [tls] in the \
                  settings, or add --insecure if the network is yours";
    Err((format!("{host} is not a loopback address and {lack}: {danger}"), advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_get_in_only_where_they_are_asked_and_not_overheard() {
        for (host, verified, tls, insecure, refused) in [
            ("127.0.0.1", false, false, false, None),
            ("::1", false, false, false, None),
            ("::ffff:127.0.0.1", false, false, false, None),
            ("0.0.0.0", false, false, false, Some("not verified and no certificate")),
            ("::", false, true, false, Some("signatures are not verified:")),
            ("10.0.0.5", true, false, false, Some("no certificate is configured")),
            ("10.0.0.5", true, true, false, None),
            ("0.0.0.0", false, false, true, None),
        ] {
            let outcome = check(host.parse().expect("an address"), verified, tls, insecure);
            match refused {
                None => assert_eq!(outcome, Ok(()), "{host}"),
                Some(part) => {
                    let (message, advice) = outcome.expect_err(host);
                    assert!(message.contains(part) && advice.contains("--insecure"), "{message}");
                }
            }
        }
    }
}
