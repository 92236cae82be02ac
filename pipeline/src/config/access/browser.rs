//! `[browser]`: who may call from a web page.

use serde::Deserialize;
use url::Url;

use crate::config::text::error::Faults;

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
    pub(crate) fn check(&self, faults: &mut Faults) {
        for (index, host) in self.hosts.iter().enumerate() {
            if host.is_empty() || host.contains(['/', ':', '*']) {
                let message = format!("browser: `{host}` in hosts is not the name of a server");
                let path = ["browser", "hosts", &index.to_string()];
                faults.add(&path, message, "write a name like `gallop.example`, without scheme and port");
            }
        }
        for (index, origin) in self.origins.iter().enumerate() {
            let whole = Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == *origin);
            if !whole || origin == "null" {
                let message = format!("browser: `{origin}` in origins is not an origin");
                let advice = "write one like `https://app.example`: a scheme, a name in lower case and, if it is not \
                              the usual one, a port";
                faults.add(&["browser", "origins", &index.to_string()], message, advice);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_whole_and_none_is_all() {
        let found = |config: BrowserConfig| {
            let mut faults = Faults::default();
            config.check(&mut faults);
            faults.found
        };
        let check = |origin: &str| found(BrowserConfig { origins: vec![origin.to_owned()], ..Default::default() });
        for good in ["https://app.example", "http://app.example:8080", "http://[::1]:81"] {
            assert_eq!(check(good), [], "{good}");
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
            assert!(check(bad)[0].message.contains(bad), "{bad}");
        }
        assert_eq!(found(BrowserConfig { hosts: vec!["a.example:80".to_owned()], ..Default::default() }).len(), 1);
    }
}
