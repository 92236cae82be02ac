//! An AWS API as a value: what differs between services.
//!
//! [`frame`](crate::aws::frame) does what they share. To add a service, write its operations and
//! one [`Service`], and host it in `router.rs`.

use axum::http::request::Parts;
use futures::future::BoxFuture;
use http::Method;
use serde::Deserialize;

use crate::auth::access::Caller;
use crate::aws::error::AwsError;
use crate::aws::protocol::{Answer, Protocol};
use crate::aws::wire::format::Format;
use crate::aws::wire::output::Output;

/// One API. `T` is what its operations share.
pub(crate) struct Service<T: 'static> {
    /// What `X-Amz-Target` begins with, up to the dot.
    pub(crate) prefix: &'static str,
    /// The name of the service in signatures.
    pub(crate) scope: &'static str,
    /// Media types and the shape of errors.
    pub(crate) protocol: Protocol,
    pub(crate) operations: &'static [Operation<T>],
}

impl<T> Service<T> {
    /// The operation that `X-Amz-Target` names, if it is one of this service.
    pub(crate) fn operation_of(&self, target: &str) -> Option<&'static str> {
        let named = target.strip_prefix(self.prefix)?.strip_prefix('.')?;
        self.operations.iter().map(|operation| operation.name).find(|name| *name == named)
    }
}

/// One operation of a service.
pub(crate) struct Operation<T: 'static> {
    /// Its name, as in `X-Amz-Target` and in policies.
    pub(crate) name: &'static str,
    /// Method and path, in services that do not use `X-Amz-Target`. The path is a pattern as axum
    /// has them.
    pub(crate) route: Option<(Method, &'static str)>,
    /// Reads the input, checks that the caller may do this, and does it.
    pub(crate) run: Handler<T>,
}

/// What runs an operation. The input borrows from the body, which stays where it was received.
pub(crate) type Handler<T> = for<'a> fn(Call<'a, T>) -> BoxFuture<'a, Result<Answer, AwsError>>;

/// An input that knows who may send it. [`Call::input`] asks, so that no operation gets an input
/// that was not allowed.
pub(crate) trait Guarded<T> {
    /// Rejects what policies do not allow. Called only if the caller has policies.
    fn check(&self, call: &Call<'_, T>) -> impl Future<Output = Result<(), AwsError>> + Send;
}

/// A request whose operation is known, whose signature is right, and whose input is still bytes.
pub(crate) struct Call<'a, T> {
    /// What the service's operations share.
    pub(crate) shared: &'a T,
    /// The name of the operation.
    pub(crate) operation: &'static str,
    /// Who sent it.
    pub(crate) caller: &'a Caller,
    /// Its head. Values in the path are read with axum's `Path`.
    pub(crate) parts: &'a Parts,
    /// The form of the body and of the answer.
    pub(crate) format: Format,
    /// The body, unpacked.
    pub(crate) body: &'a [u8],
}

impl<'a, T> Call<'a, T> {
    /// Reads the input, if the caller may send it.
    pub(crate) async fn input<I: Deserialize<'a> + Guarded<T>>(&self) -> Result<I, AwsError> {
        self.permit(self.format.read(self.body)?).await
    }

    /// Returns the input, if the caller may send it.
    pub(crate) async fn permit<I: Guarded<T>>(&self, input: I) -> Result<I, AwsError> {
        if self.caller.is_limited() {
            input.check(self).await?;
        }
        Ok(input)
    }

    /// Reads the input, runs `action` if the caller may, and writes its output.
    pub(crate) async fn answer<I, O, F>(self, action: impl FnOnce(&'a T, I) -> F) -> Result<Answer, AwsError>
    where
        I: Deserialize<'a> + Guarded<T>,
        O: Output,
        F: Future<Output = Result<O, AwsError>>,
    {
        let output = action(self.shared, self.input().await?).await?;
        Ok(self.written(&output))
    }

    /// An output as the body of the answer.
    pub(crate) fn written(&self, output: &impl Output) -> Answer {
        Answer::Body(self.format.write(output).into())
    }
}
