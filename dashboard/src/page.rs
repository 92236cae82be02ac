//! The page and its files. They hold no data: what is shown comes through routes that ask who is there.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::borrow::Cow;
use std::sync::Arc;

use crate::assets::{Assets, File};

/// Nothing from elsewhere, no inline script or style, no frame around it, and no text that becomes markup.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; \
     require-trusted-types-for 'script'",
);
/// A year: the address changes with the file.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Asked for again each time, with the tag.
const ASKED: HeaderValue = HeaderValue::from_static("no-cache");

/// `GET /`: the page.
pub(crate) async fn index(State(assets): State<Arc<Assets>>, headers: HeaderMap) -> Response {
    answer(&assets, assets.get("index.html"), &headers, ASKED)
}

/// `GET /assets/VERSION/NAME`. A page that was opened before an update may ask for the version before: it gets the file as
/// it is now, but keeps it for no longer.
pub(crate) async fn asset(
    State(assets): State<Arc<Assets>>,
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let file = assets.get(&name).filter(|_| name != "index.html");
    let kept = version == assets.version() && file.as_ref().is_some_and(|file| file.fixed);
    answer(&assets, file, &headers, if kept { KEPT } else { ASKED })
}

fn answer(assets: &Assets, file: Option<File>, request: &HeaderMap, kept: HeaderValue) -> Response {
    let Some(file) = file else {
        return guarded((StatusCode::NOT_FOUND, "the file does not exist\n").into_response());
    };
    let brotli = file.brotli.filter(|_| takes_brotli(request));
    let tag = match brotli {
        Some(_) => format!("\"{}-br\"", assets.version()),
        None => format!("\"{}\"", assets.version()),
    };
    let known = file.fixed && request.get(IF_NONE_MATCH).is_some_and(|tags| lists(tags, &tag));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let bytes = match (brotli, file.plain) {
            (Some(packed), _) | (None, Cow::Borrowed(packed)) => Bytes::from_static(packed),
            (None, Cow::Owned(read)) => Bytes::from(read),
        };
        Response::new(Body::from(bytes))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(CACHE_CONTROL, kept);
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if file.fixed {
        headers.insert(ETAG, HeaderValue::from_str(&tag).expect("a hash in quotes"));
    }
    if brotli.is_some() && !known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    // Scripts and styles are no documents: what guards those would be a tenth of all bytes.
    let part = file.kind.starts_with("text/javascript") || file.kind.starts_with("text/css");
    if part { kept_here(response) } else { guarded(response) }
}

/// Puts the headers on that keep other pages from using a file.
fn kept_here(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// And those that keep a document from running what is not ours, and others from framing it.
fn guarded(response: Response) -> Response {
    let mut response = kept_here(response);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// Whether `br` is among the encodings, and not with a weight of nothing.
fn takes_brotli(request: &HeaderMap) -> bool {
    let lists = request.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("br") && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Whether a list of tags has `tag`, however weak.
fn lists(tags: &HeaderValue, tag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default();
    tags.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}
