//! Services that exist here only, driven through the frame beside each other: `POST /` in JSON 1.0,
//! and paths.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Path};
use http::{Request, StatusCode};
use model::clock::Timestamp;
use model::testing::clock::ManualClock;
use serde::Serialize;
use serde_json::{Value, json};
use tower::Service as _;

use super::*;
use crate::aws::protocol::{ErrorShape, Protocol};
use crate::aws::service::Guarded;
use crate::aws::wire::text::Text;

/// What the operations of both services share.
struct Ponds {
    ducks: u32,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input<'a> {
    #[serde(borrow)]
    pond: Option<Text<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    pond: String,
    ducks: u32,
}

impl Guarded<Ponds> for Input<'_> {
    async fn check(&self, _: &Call<'_, Ponds>) -> Result<(), AwsError> {
        Err(AwsError::new("AccessDeniedException", "Ponds are closed."))
    }
}

async fn count(ponds: &Ponds, input: Input<'_>) -> Result<Output, AwsError> {
    match input.pond.as_deref() {
        Some("dry") => Err(AwsError::new("ResourceNotFoundException", "The pond is dry.")),
        Some(pond) => Ok(Output { pond: pond.to_owned(), ducks: ponds.ducks }),
        None => Err(AwsError::missing("pond")),
    }
}

/// JSON 1.0, with errors in a namespace.
static BY_TARGET: Service<Ponds> = Service {
    prefix: "Ponds_20260101",
    scope: "ponds",
    protocol: Protocol {
        json: "application/x-amz-json-1.0",
        cbor: None,
        error: ErrorShape { namespace: Some("com.example.ponds#"), message: "message" },
    },
    operations: &[Operation { name: "CountDucks", route: None, run: |call| Box::pin(call.answer(count)) }],
};

/// REST-JSON.
static BY_PATH: Service<Ponds> = Service {
    prefix: "",
    scope: "ponds",
    protocol: Protocol {
        json: "application/json",
        cbor: None,
        error: ErrorShape { namespace: None, message: "Message" },
    },
    operations: &[Operation {
        name: "CountDucks",
        route: Some((Method::GET, "/2026-01-01/ponds/{pond}/ducks")),
        run: |call| {
            Box::pin(async move {
                let mut parts = call.parts.clone();
                let pond = Path::<String>::from_request_parts(&mut parts, &()).await;
                let Path(pond) = pond.map_err(|wrong| AwsError::serialization(wrong.body_text()))?;
                let input = call.permit(Input { pond: Some(Text(pond.into())) }).await?;
                Ok(call.written(&count(call.shared, input).await?))
            })
        },
    }],
};

fn front() -> Front {
    Front {
        options: GatewayOptions::default(),
        access: Arc::new(Access::anyone()),
        clock: Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000))),
        bodies: Bodies::default(),
    }
}

fn router() -> Router {
    let by_target = Hosted::new(&BY_TARGET, Ponds { ducks: 3 });
    let by_path = Hosted::new(&BY_PATH, Ponds { ducks: 5 });
    routes(front(), vec![Box::new(by_target), Box::new(by_path)])
}

/// Status, content type, name of the error in the header, body.
async fn answer(request: Request<Body>) -> (StatusCode, String, Option<String>, Value) {
    let response = router().call(request).await.expect("infallible");
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    let (kind, error) = (header("content-type").expect("a type"), header("x-amzn-errortype"));
    assert!(header("x-amzn-requestid").is_some());
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, kind, error, serde_json::from_slice(&body).expect("JSON"))
}

fn by_target(target: &str, kind: &str, body: &'static str) -> Request<Body> {
    let request = Request::post("/").header("x-amz-target", target).header("content-type", kind);
    request.body(Body::from(body)).expect("a request")
}

const JSON_1_0: &str = "application/x-amz-json-1.0";

#[tokio::test]
async fn json_1_0_goes_by_target() {
    let ask = async |body| answer(by_target("Ponds_20260101.CountDucks", JSON_1_0, body)).await;
    let (status, kind, error, body) = ask(r#"{"Pond":"mill"}"#).await;
    assert_eq!((status, kind.as_str(), error), (StatusCode::OK, JSON_1_0, None));
    assert_eq!(body, json!({"Pond": "mill", "Ducks": 3}));
    let (status, kind, error, body) = ask(r#"{"Pond":"dry"}"#).await;
    assert_eq!((status, kind.as_str()), (StatusCode::BAD_REQUEST, JSON_1_0));
    assert_eq!(error.as_deref(), Some("ResourceNotFoundException"));
    let named = "com.example.ponds#ResourceNotFoundException";
    assert_eq!(body, json!({"__type": named, "message": "The pond is dry."}));
    assert_eq!(ask("{}").await.2.as_deref(), Some("ValidationException"));
    assert_eq!(ask("{").await.2.as_deref(), Some("SerializationException"));
}

#[tokio::test]
async fn rest_json_goes_by_path() {
    let ask = async |path| answer(Request::get(path).body(Body::empty()).expect("a request")).await;
    let (status, kind, error, body) = ask("/2026-01-01/ponds/mill%20race/ducks").await;
    assert_eq!((status, kind.as_str(), error), (StatusCode::OK, "application/json", None));
    assert_eq!(body, json!({"Pond": "mill race", "Ducks": 5}));
    let (status, _, error, body) = ask("/2026-01-01/ponds/dry/ducks").await;
    assert_eq!((status, error.as_deref()), (StatusCode::BAD_REQUEST, Some("ResourceNotFoundException")));
    assert_eq!(body, json!({"Message": "The pond is dry."}));
}

#[tokio::test]
async fn what_a_service_does_not_have_is_rejected_in_its_words() {
    for target in ["Ponds_20260101.CountGeese", "Lakes_20260101.CountDucks", "CountDucks", ""] {
        let (status, _, error, body) = answer(by_target(target, JSON_1_0, "{}")).await;
        assert_eq!((status, error.as_deref()), (StatusCode::BAD_REQUEST, Some("UnknownOperationException")), "{body}");
    }
    let cbor = by_target("Ponds_20260101.CountDucks", "application/x-amz-cbor-1.1", "");
    assert_eq!(answer(cbor).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn unsigned_requests_are_rejected_where_credentials_are_configured() {
    let front = Front { access: Arc::new(Access::only(Vec::new()).expect("no credential is wrong")), ..front() };
    let mut router: Router = routes(front, vec![Box::new(Hosted::new(&BY_TARGET, Ponds { ducks: 3 }))]);
    let request = by_target("Ponds_20260101.CountDucks", JSON_1_0, "{}");
    let response = router.call(request).await.expect("infallible");
    assert_eq!(response.headers()["x-amzn-errortype"], "MissingAuthenticationTokenException");
}
