//! Which stored keys a query asks for.

use std::ops::Bound;

use model::table::store::{KeyValue, Order, Query, TableError};

use super::rows::TableForm;
use crate::table::key_bytes::AFTER_PARTITION;

/// From where to where.
pub(super) type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The stored keys that a query asks for; none when its range is empty.
pub(super) fn query_bounds(form: &TableForm, query: &Query) -> Result<Option<Bounds>, TableError> {
    let (schema, numbers) = (&form.schema, form.numbers);
    schema.check_partition(&query.partition)?;
    let partition = numbers.value(&query.partition).map_err(|error| form.invalid_key(&error))?;
    let with_sort = |sort: &KeyValue| -> Result<Vec<u8>, TableError> {
        schema.check_sort(sort)?;
        let mut key = partition.clone();
        numbers.push(&mut key, sort).map_err(|error| form.invalid_key(&error))?;
        Ok(key)
    };
    let mut low = match &query.from {
        Some(from) => Bound::Included(with_sort(from)?),
        None => Bound::Included(partition.clone()),
    };
    let mut high = match &query.to {
        Some(to) => Bound::Included(with_sort(to)?),
        None => Bound::Excluded([partition.as_slice(), &[AFTER_PARTITION]].concat()),
    };
    if let Some(after) = &query.after {
        let after = form.key(after)?;
        // A page key from outside the range must not widen it.
        match query.order {
            Order::Asc if after >= *inside(&low) => low = Bound::Excluded(after),
            Order::Desc if after <= *inside(&high) => high = Bound::Excluded(after),
            Order::Asc | Order::Desc => {}
        }
    }
    let both_included = matches!((&low, &high), (Bound::Included(_), Bound::Included(_)));
    let (first, last) = (inside(&low), inside(&high));
    let holds_any = first < last || (first == last && both_included);
    Ok(holds_any.then_some((low, high)))
}

fn inside(bound: &Bound<Vec<u8>>) -> &Vec<u8> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => key,
        Bound::Unbounded => unreachable!("queries are bounded by their partition"),
    }
}
