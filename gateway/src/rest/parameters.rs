//! Query parameters: known ones once each, others refused by name.

use axum::extract::Query;
use http::Uri;

use crate::rest::error::RestError;

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads them. Error: one that is not in `known`, or occurs twice.
    pub(crate) fn read(uri: &Uri, known: &[&str]) -> Result<Self, RestError> {
        Parameters::read_with(uri, known, None)
    }

    /// Reads them. Error: one that is not in `known`, or is there twice and not the one that is `repeated`.
    pub(crate) fn read_with(uri: &Uri, known: &[&str], repeated: Option<&str>) -> Result<Self, RestError> {
        let Query(all) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|wrong| RestError::invalid(format!("query parameters do not read: {wrong}")))?;
        for (i, (name, _)) in all.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let list = if known.is_empty() { "there are no parameters".to_owned() } else { known.join(", ") };
                return Err(RestError::invalid(format!("query parameter `{name}` is not known; {list}")));
            }
            if repeated != Some(name.as_str()) && all[..i].iter().any(|(other, _)| other == name) {
                return Err(RestError::invalid(format!("query parameter `{name}` is given twice")));
            }
        }
        Ok(Parameters(all))
    }

    /// One parameter's text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The texts of a parameter that may be repeated.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// `limit`, within 1 and `max`.
    pub(crate) fn limit(&self, max: usize, default: usize) -> Result<usize, RestError> {
        let Some(text) = self.get("limit") else { return Ok(default) };
        let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
        limit.ok_or_else(|| RestError::invalid(format!("`limit` is `{text}`, not a number from 1 to {max}")))
    }
}
