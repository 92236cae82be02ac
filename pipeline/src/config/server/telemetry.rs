//! `[telemetry]`: where traces go, and how many. Nowhere, unless a collector is named here or by
//! OpenTelemetry's variables.

use serde::Deserialize;
use url::Url;

use crate::config::text::error::Faults;

/// Beneath the endpoint of a collector, its place for traces.
const TRACES_PATH: &str = "/v1/traces";
/// The one protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

/// Where traces go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TelemetryConfig {
    /// A collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`.
    otlp_endpoint: Option<String>,
    /// The share of requests that are traced, 0.0 to 1.0; a caller that traces its own is followed.
    /// All by default.
    sample_ratio: Option<f64>,
}

/// What settings and variables say together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TracesOptions {
    /// The URL that traces are posted to.
    pub(crate) endpoint: String,
    /// The share of requests that are traced; none where OpenTelemetry's own variable says how.
    pub(crate) sample_ratio: Option<f64>,
    /// The name in traces; none where OpenTelemetry's own variables have one.
    pub(crate) service_name: Option<&'static str>,
}

impl TelemetryConfig {
    /// What the shape alone does not say.
    pub(crate) fn check(&self, faults: &mut Faults) {
        if let Some(endpoint) = &self.otlp_endpoint
            && let Err(message) = check_url("telemetry: otlp_endpoint", endpoint)
        {
            faults.add(&["telemetry", "otlp_endpoint"], message, "write one like `http://127.0.0.1:4318`");
        }
        if let Some(ratio) = self.sample_ratio.filter(|ratio| !(0.0..=1.0).contains(ratio)) {
            let message = format!("telemetry: sample_ratio {ratio} is not from 0.0 to 1.0");
            faults.add(&["telemetry", "sample_ratio"], message, "use 0.0 for none, 1.0 for all");
        }
    }

    /// Where traces go, if anywhere. OpenTelemetry's variables, which `variable` looks up, win over
    /// the settings. Error: a variable asks for what is not supported.
    pub(crate) fn traces(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Option<TracesOptions>, String> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        match variable("OTEL_TRACES_EXPORTER").as_deref() {
            None | Some("otlp") => {}
            Some("none") => return Ok(None),
            Some(other) => {
                return Err(format!("OTEL_TRACES_EXPORTER: `{other}` is not supported; use `otlp` or `none`"));
            }
        }
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let beneath = |base: &str| format!("{}{TRACES_PATH}", base.trim_end_matches('/'));
        let own = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let common = || variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| beneath(&base));
        let Some(endpoint) = own.or_else(common).or_else(|| self.otlp_endpoint.as_deref().map(beneath)) else {
            return Ok(None);
        };
        check_url("the OpenTelemetry endpoint", &endpoint)?;
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if let Some(other) = variable(name).filter(|protocol| protocol != PROTOCOL) {
                return Err(format!(
                    "{name}: `{other}` is not supported; use `{PROTOCOL}`, which collectors accept on port 4318"
                ));
            }
        }
        let named = variable("OTEL_SERVICE_NAME").is_some()
            || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
        Ok(Some(TracesOptions {
            endpoint,
            sample_ratio: self.sample_ratio.filter(|_| variable("OTEL_TRACES_SAMPLER").is_none()),
            service_name: (!named).then_some("gallop"),
        }))
    }
}

fn check_url(what: &str, text: &str) -> Result<(), String> {
    let good = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if good { Ok(()) } else { Err(format!("{what}: `{text}` is not a URL like http://127.0.0.1:4318")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(settings: &str, variables: &[(&str, &str)]) -> Result<Option<TracesOptions>, String> {
        let config: TelemetryConfig = toml::from_str(settings).expect("settings");
        let mut faults = Faults::default();
        config.check(&mut faults);
        if let Some(fault) = faults.found.pop() {
            return Err(fault.message);
        }
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        config.traces(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    fn endpoint(settings: &str, variables: &[(&str, &str)]) -> Option<String> {
        traces(settings, variables).expect("understood").map(|options| options.endpoint)
    }

    #[test]
    fn nothing_is_sent_unless_somebody_says_where() {
        assert_eq!(endpoint("", &[]), None);
        assert_eq!(endpoint("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), None);
        let settings = "otlp_endpoint = \"http://collector:4318/\"";
        assert_eq!(endpoint(settings, &[]).as_deref(), Some("http://collector:4318/v1/traces"));
        let common = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://other:4318");
        assert_eq!(endpoint(settings, &[common]).as_deref(), Some("https://other:4318/v1/traces"));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own/t");
        assert_eq!(endpoint(settings, &[common, own]).as_deref(), Some("http://own/t"));
        assert_eq!(endpoint(settings, &[("OTEL_TRACES_EXPORTER", "none")]), None);
        assert_eq!(endpoint(settings, &[("OTEL_SDK_DISABLED", "TRUE")]), None);
    }

    #[test]
    fn standard_variables_win_over_settings() {
        let settings = "otlp_endpoint = \"http://collector:4318\"\nsample_ratio = 0.25";
        let options = |variables| traces(settings, variables).expect("understood").expect("traces are on");
        assert_eq!((options(&[]).sample_ratio, options(&[]).service_name), (Some(0.25), Some("gallop")));
        assert_eq!(options(&[("OTEL_TRACES_SAMPLER", "always_off")]).sample_ratio, None);
        assert_eq!(options(&[("OTEL_SERVICE_NAME", "stable")]).service_name, None);
        assert_eq!(options(&[("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=stable")]).service_name, None);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let settings = "otlp_endpoint = \"http://collector:4318\"";
        for (settings, variables, part) in [
            ("otlp_endpoint = \"collector:4318\"", &[][..], "not a URL like http://127.0.0.1:4318"),
            ("sample_ratio = 1.5", &[], "not from 0.0 to 1.0"),
            (settings, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "`grpc` is not supported; use `http/protobuf`"),
            (settings, &[("OTEL_TRACES_EXPORTER", "zipkin")], "`zipkin` is not supported"),
            ("", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://x")], "is not a URL"),
        ] {
            let message = traces(settings, variables).expect_err("refused");
            assert!(message.contains(part), "{message}");
        }
    }
}
