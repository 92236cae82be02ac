//! `/console/sensors`: a page that shows live what becomes of sensor datagrams, by poller and by port.
//!
//! The files are part of the binary and hold no figures: these the page asks of `/v1/sensor/stats`, with a token where the
//! server wants one. It loads nothing from elsewhere, runs no script but its own, and cannot be framed.

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::get;

/// What the page may load: its own script and style, and figures of the same server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page and its files.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |media_type: &'static str, text: &'static str| get(move || async move { answer(media_type, text) });
    Router::new()
        .route("/console/sensors", file("text/html; charset=utf-8", include_str!("sensors/page.html")))
        .route("/console/sensors.js", file("text/javascript; charset=utf-8", include_str!("sensors/page.js")))
        .route("/console/sensors.css", file("text/css; charset=utf-8", include_str!("sensors/page.css")))
}

fn answer(media_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, media_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_that_its_policy_forbids() {
        let page = include_str!("sensors/page.html");
        assert!(!page.contains("style=") && !page.contains("onclick") && !page.contains("<style"), "inline");
        assert!(!page.contains("http:") && !page.contains("https:"), "from elsewhere");
        let script = include_str!("sensors/page.js");
        assert!(!script.contains("innerHTML") && !script.contains("eval("));
        let _: Router = router();
    }
}
