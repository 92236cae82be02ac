//! What the REST API says of itself, as OpenAPI. Routes say theirs beside their handlers; here is what is said of all.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};

/// The beginning of the document.
const ABOUT: &str = "The REST API of Gallop. The Kinesis API is beside it, at `POST /`, and is described by AWS's own model. Errors \
    are `{\"error\": {\"code\", \"message\"}}`. Where credentials are configured, a request has a bearer token or a \
    signature (AWS Signature Version 4 for the service `gallop`), and its principal a policy that allows the operation; see \
    SECURITY.md.";
/// Names of the two ways to say who asks.
const BEARER: &str = "bearer";
const SIGNATURE: &str = "signature";

/// A document without operations.
pub(crate) fn document() -> OpenApi {
    let info = InfoBuilder::new().title("Gallop").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT));
    let signature = ApiKeyValue::with_description(
        "Authorization",
        "AWS Signature Version 4 for the service `gallop`, in headers or presigned",
    );
    let components = ComponentsBuilder::new()
        .security_scheme(BEARER, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)))
        .security_scheme(SIGNATURE, SecurityScheme::ApiKey(ApiKey::Header(signature)));
    let nobody: [&str; 0] = [];
    let ways = [BEARER, SIGNATURE].map(|way| SecurityRequirement::new(way, nobody));
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).security(Some(ways)).build()
}
