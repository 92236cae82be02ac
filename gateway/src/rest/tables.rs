//! `/v1/tables`: what tables there are, and their items by key, by range or all.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use http::{StatusCode, Uri};
use model::name::TableName;
use model::table::number::Number;
use model::table::store::{ItemKey, KeyAttribute, KeyType, KeyValue, Order, Page, Query, TableSchema};
use model::table::value::{AttributeValue, Item};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::rest::error::{ErrorBody, RestError};
use crate::rest::parameters::Parameters;
use crate::rest::wire::table;
use crate::state::GatewayState;

/// The most items of a page. A page of large items has fewer: the store ends it at
/// [`PAGE_BYTES_MAX`](model::table::page::PAGE_BYTES_MAX).
const PAGE_ITEMS_MAX: usize = 1000;
/// Items of a page when no limit is named.
const PAGE_ITEMS_DEFAULT: usize = 100;

type Shared = State<Arc<GatewayState>>;
type Segments<T> = Result<Path<T>, PathRejection>;

/// All tables.
#[derive(Serialize, ToSchema)]
pub(crate) struct TableList {
    tables: Vec<table::TableSchema>,
}

/// A page of items.
#[derive(Serialize, ToSchema)]
pub(crate) struct ItemPage {
    #[schema(value_type = Vec<Object>)]
    items: Vec<Item>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// Lists all tables with their keys.
#[utoipa::path(get, path = "/v1/tables", tag = "tables", responses((status = 200, body = TableList)))]
pub(crate) async fn list(State(state): Shared, uri: Uri) -> Result<Json<TableList>, RestError> {
    Parameters::read(&uri, &[])?;
    let tables = state.tables.list().await?.into_iter().map(table::TableSchema::from).collect();
    Ok(Json(TableList { tables }))
}

/// Shows one table's keys.
#[utoipa::path(get, path = "/v1/tables/{table}", tag = "tables", params(
    ("table" = String, Path, description = "The table."),
), responses((status = 200, body = table::TableSchema), (status = 404, description = "No such table.", body = ErrorBody)))]
pub(crate) async fn describe(
    State(state): Shared,
    table: Segments<String>,
    uri: Uri,
) -> Result<Json<table::TableSchema>, RestError> {
    Parameters::read(&uri, &[])?;
    Ok(Json(schema(&state, &segments(table)?).await?.into()))
}

/// Reads all items of a table, in the store's own order.
#[utoipa::path(get, path = "/v1/tables/{table}/items", tag = "tables", params(
    ("table" = String, Path, description = "The table."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 1000, description = "Maximum number of items; 100 by default."),
    ("after" = Option<String>, Query, description = "`next` of the previous page."),
), responses((status = 200, body = ItemPage), (status = 404, description = "No such table.", body = ErrorBody)))]
pub(crate) async fn scan(State(state): Shared, table: Segments<String>, uri: Uri) -> Result<Json<ItemPage>, RestError> {
    let parameters = Parameters::read(&uri, &["limit", "after"])?;
    let schema = schema(&state, &segments(table)?).await?;
    let limit = parameters.limit(PAGE_ITEMS_MAX, PAGE_ITEMS_DEFAULT)?;
    let after = parameters.get("after").map(|text| open(&schema, text)).transpose()?;
    Ok(answer(state.tables.scan(&schema.name, after, limit).await?))
}

/// Reads the items of one partition, in order of their sort keys.
#[utoipa::path(get, path = "/v1/tables/{table}/items/{partition}", tag = "tables", params(
    ("table" = String, Path, description = "The table."),
    ("partition" = String, Path, description = "The value of the partition key."),
    ("from" = Option<String>, Query, description = "The lowest sort key."),
    ("to" = Option<String>, Query, description = "The highest sort key."),
    ("order" = Option<String>, Query, description = "`asc` (the default) or `desc`."),
    ("limit" = Option<u16>, Query, minimum = 1, maximum = 1000, description = "Maximum number of items; 100 by default."),
    ("after" = Option<String>, Query, description = "`next` of the previous page."),
), responses((status = 200, body = ItemPage), (status = 404, description = "No such table.", body = ErrorBody)))]
pub(crate) async fn query(
    State(state): Shared,
    path: Segments<(String, String)>,
    uri: Uri,
) -> Result<Json<ItemPage>, RestError> {
    let parameters = Parameters::read(&uri, &["from", "to", "limit", "order", "after"])?;
    let (table, partition) = segments(path)?;
    let schema = schema(&state, &table).await?;
    let partition = schema.parse_key(&schema.partition_key, &partition)?;
    let bound = |name: &str| match (parameters.get(name), &schema.sort_key) {
        (None, _) => Ok(None),
        (Some(text), Some(key)) => Ok(Some(schema.parse_key(key, text)?)),
        (Some(_), None) => Err(RestError::invalid(format!("`{name}` needs a sort key, which `{table}` does not have"))),
    };
    let (from, to) = (bound("from")?, bound("to")?);
    let order = match parameters.get("order") {
        None | Some("asc") => Order::Asc,
        Some("desc") => Order::Desc,
        Some(other) => return Err(RestError::invalid(format!("`order` is `{other}`, not `asc` or `desc`"))),
    };
    let limit = parameters.limit(PAGE_ITEMS_MAX, PAGE_ITEMS_DEFAULT)?;
    let after = parameters.get("after").map(|text| open(&schema, text)).transpose()?;
    if after.as_ref().is_some_and(|after| after.partition != partition) {
        return Err(RestError::invalid("`after` is of another partition"));
    }
    let query = Query { partition, from, to, order, limit, after };
    Ok(answer(state.tables.query(&schema.name, query).await?))
}

/// Reads one item.
#[utoipa::path(get, path = "/v1/tables/{table}/items/{partition}/{sort}", tag = "tables", params(
    ("table" = String, Path, description = "The table."),
    ("partition" = String, Path, description = "The value of the partition key."),
    ("sort" = String, Path, description = "The value of the sort key."),
), responses(
    (status = 200, description = "The item's attributes.", body = Object),
    (status = 404, description = "No such table or item.", body = ErrorBody),
))]
pub(crate) async fn item(
    State(state): Shared,
    path: Segments<(String, String, String)>,
    uri: Uri,
) -> Result<Json<Item>, RestError> {
    Parameters::read(&uri, &[])?;
    let (table, partition, sort) = segments(path)?;
    let schema = schema(&state, &table).await?;
    let no_sort = || RestError::invalid(format!("table `{table}` has no sort key; leave it out"));
    let sort_key = schema.sort_key.as_ref().ok_or_else(no_sort)?;
    let key = ItemKey {
        partition: schema.parse_key(&schema.partition_key, &partition)?,
        sort: Some(schema.parse_key(sort_key, &sort)?),
    };
    let found = state.tables.get(&schema.name, &key).await?;
    let missing = || {
        let message = format!("table `{table}` has no item `{partition}`, `{sort}`");
        RestError::new(StatusCode::NOT_FOUND, "item_not_found", message)
    };
    found.map(|versioned| Json(versioned.item)).ok_or_else(missing)
}

fn segments<T>(path: Segments<T>) -> Result<T, RestError> {
    path.map(|Path(segments)| segments).map_err(|wrong| RestError::invalid(wrong.body_text()))
}

async fn schema(state: &GatewayState, table: &str) -> Result<TableSchema, RestError> {
    let name = TableName::new(table).map_err(|wrong| RestError::invalid(wrong.to_string()))?;
    Ok(state.tables.describe(&name).await?)
}

fn answer(page: Page) -> Json<ItemPage> {
    Json(ItemPage { items: page.items, next: page.next.as_ref().map(seal) })
}

/// Where a page ended, as text for a URL.
fn seal(key: &ItemKey) -> String {
    let value = |value: &KeyValue| match value {
        KeyValue::String(text) => AttributeValue::String(text.clone()),
        KeyValue::Number(number) => AttributeValue::Number(number.clone()),
        KeyValue::Binary(_) => AttributeValue::String(value.to_string()),
    };
    let sort = key.sort.as_ref().map_or(AttributeValue::Null, value);
    let parts = AttributeValue::List(vec![value(&key.partition), sort]);
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(parts.to_string())
}

fn open(schema: &TableSchema, text: &str) -> Result<ItemKey, RestError> {
    read(schema, text).ok_or_else(|| RestError::invalid(format!("`after` is `{text}`, not a `next` of this table")))
}

fn read(schema: &TableSchema, text: &str) -> Option<ItemKey> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
    let (partition, sort): (&RawValue, &RawValue) = serde_json::from_slice(&bytes).ok()?;
    let value = |key: &KeyAttribute, value: &RawValue| match key.key_type {
        KeyType::Number => Number::parse(value.get()).ok().map(KeyValue::Number),
        KeyType::String | KeyType::Binary => {
            let text: String = serde_json::from_str(value.get()).ok()?;
            schema.parse_key(key, &text).ok()
        }
    };
    let sort = match &schema.sort_key {
        Some(key) => Some(value(key, sort)?),
        None => (sort.get() == "null").then_some(None)?,
    };
    Some(ItemKey { partition: value(&schema.partition_key, partition)?, sort })
}
