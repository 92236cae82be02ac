//! DynamoDB's errors in the words of the seam.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use model::name::TableName;
use model::table::store::TableError;

use crate::aws::CallFailure;

/// Says what a failed call means for the caller.
pub(super) fn table_error<E>(table: &TableName, doing: &str, error: &SdkError<E, HttpResponse>) -> TableError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (table, failure) = (table.clone(), CallFailure::of(error));
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("ResourceNotFoundException") => TableError::NotFound(table),
        Some("ValidationException" | "AccessDeniedException" | "UnrecognizedClientException") => {
            TableError::Backend { table, doing: doing.to_owned(), source: failure.into() }
        }
        _ => TableError::Unavailable { table, reason: format!("{doing}: {failure}") },
    }
}

/// As [`table_error`], for a put: what the service does not accept of an item, it never will.
pub(super) fn put_error<E>(table: &TableName, error: &SdkError<E, HttpResponse>) -> TableError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error.as_service_error().filter(|service| service.code() == Some("ValidationException")) {
        Some(service) => TableError::InvalidItem {
            table: table.clone(),
            reason: service.message().unwrap_or("DynamoDB does not accept it").to_owned(),
        },
        None => table_error(table, "putting items", error),
    }
}
