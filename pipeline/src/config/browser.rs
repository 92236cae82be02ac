//! `[browser]`: who may call from a web page.

use serde::Deserialize;
use url::Url;

/// Pages in a browser may call under these names and from these origins, besides loopback.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BrowserConfig {
    /// Names of this server, such as `gallop.example`: without scheme and port.
    pub(crate) hosts: Vec<String>,
    /// Origins of pages that may call the Kinesis API, such as `https://app.example`.
    pub(crate) origins: Vec<String>,
}

impl BrowserConfig {
    /// What the shape alone does not say.
    pub(crate) fn check(&self) -> Result<(), String> {
        for host in &self.hosts {
            if host.is_empty() || host.contains(['/', ':', '*']) {
                return Err(format!("browser: `{host}` in hosts is not a name like `gallop.example`"));
            }
        }
        for origin in &self.origins {
            let whole = Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == *origin);
            if !whole || origin == "null" {
                return Err(format!(
                    "browser: `{origin}` in origins is not an origin like `https://app.example`: \
                     a scheme, a name in lower case and, if it is not the usual one, a port"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_whole_and_none_is_all() {
        let check = |origin: &str| BrowserConfig { origins: vec![origin.to_owned()], ..Default::default() }.check();
        for good in ["https://app.example", "http://app.example:8080", "http://[::1]:81"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "*",
            "null",
            "app.example",
            "https://app.example/",
            "https://APP.example",
            "https://app.example:443",
            "http://[::1]:80",
        ] {
            assert!(check(bad).expect_err(bad).contains(bad));
        }
        assert!(BrowserConfig { hosts: vec!["a.example:80".to_owned()], ..Default::default() }.check().is_err());
    }
}
