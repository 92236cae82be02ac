//! Queries and scans: as many calls as a page needs, and one item more to know whether another page follows.

use std::cmp::Ordering;

use model::clock::Timestamp;
use model::table::page::PageBuilder;
use model::table::store::{ItemKey, KeyValue, Order, Page, Query, TableError, TableSchema};

use super::attribute::{Attributes, decode, is_expired, key_attribute, key_attributes};
use super::error::table_error;
use super::store::DynamoTables;

/// Items that one call is asked for.
const CALL_ITEMS_MAX: usize = 1000;

/// Sort keys that a query can find; none when it can find nothing.
struct Range {
    from: Option<KeyValue>,
    to: Option<KeyValue>,
    /// Where the page before ended, if that is inside.
    after: Option<ItemKey>,
}

/// DynamoDB refuses ranges that are empty and pages that begin outside of the range: decided here.
fn range_of(query: &Query) -> Option<Range> {
    let from = query.from.clone().filter(|from| !from.is_empty());
    let to = query.to.clone();
    if query.partition.is_empty() || to.as_ref().is_some_and(KeyValue::is_empty) {
        return None;
    }
    if let (Some(from), Some(to)) = (&from, &to)
        && from > to
    {
        return None;
    }
    let Some(after) = query.after.clone() else { return Some(Range { from, to, after: None }) };
    // A table without a sort key has one item a partition, and that was on the page before.
    let sort = after.sort.clone()?;
    let to_first = from.as_ref().map_or(Ordering::Greater, |from| sort.cmp(from));
    let to_last = to.as_ref().map_or(Ordering::Less, |to| sort.cmp(to));
    match (query.order, to_first, to_last) {
        (Order::Asc, _, Ordering::Equal | Ordering::Greater) => None,
        (Order::Desc, Ordering::Equal | Ordering::Less, _) => None,
        (Order::Asc, Ordering::Less, _) | (Order::Desc, _, Ordering::Greater) => Some(Range { from, to, after: None }),
        _ => Some(Range { from, to, after: Some(after) }),
    }
}

/// Items gathered from several answers.
struct Gathered<'a> {
    schema: &'a TableSchema,
    ttl_attribute: Option<String>,
    now: Timestamp,
    page: PageBuilder,
    more: bool,
}

impl Gathered<'_> {
    fn add(&mut self, items: Vec<Attributes>) -> Result<(), TableError> {
        for item in items {
            if is_expired(&item, self.ttl_attribute.as_deref(), self.now) {
                continue;
            }
            if !self.page.push(decode(&self.schema.name, item)?.item) {
                self.more = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// How many items to ask for next: one more than the page needs.
    fn wanted(&self) -> i32 {
        let wanted = self.page.room().saturating_add(1).min(CALL_ITEMS_MAX);
        i32::try_from(wanted).expect("a small number")
    }

    fn into_page(self) -> Result<Page, TableError> {
        self.page.finish(|item| self.schema.key_of(item))
    }
}

impl DynamoTables {
    fn gather<'a>(&self, schema: &'a TableSchema, limit: usize) -> Gathered<'a> {
        let ttl_attribute = self.options_of(&schema.name).ttl_attribute;
        let page = PageBuilder::new(limit);
        Gathered { schema, ttl_attribute, now: self.clock.now(), page, more: false }
    }

    pub(super) async fn query_pages(&self, schema: &TableSchema, query: Query) -> Result<Page, TableError> {
        let table = &schema.name;
        check_bounds(schema, &query)?;
        let mut gathered = self.gather(schema, query.limit);
        let Some(Range { from, to, after }) = range_of(&query) else { return gathered.into_page() };
        let mut start = after.map(|after| key_attributes(schema, &after)).transpose()?;
        let partition = key_attribute(table, &schema.partition_key, &query.partition)?;
        let condition = match (&from, &to) {
            (None, None) => "#partition = :partition",
            (Some(_), None) => "#partition = :partition AND #sort >= :from",
            (None, Some(_)) => "#partition = :partition AND #sort <= :to",
            (Some(_), Some(_)) => "#partition = :partition AND #sort BETWEEN :from AND :to",
        };
        let mut base = self.client.query().table_name(self.physical(table)).consistent_read(true);
        base = base.key_condition_expression(condition).scan_index_forward(query.order == Order::Asc);
        base = base.expression_attribute_names("#partition", &schema.partition_key.name);
        base = base.expression_attribute_values(":partition", partition);
        for (name, bound) in [(":from", &from), (":to", &to)] {
            if let (Some(bound), Some(sort_key)) = (bound, &schema.sort_key) {
                base = base.expression_attribute_names("#sort", &sort_key.name);
                base = base.expression_attribute_values(name, key_attribute(table, sort_key, bound)?);
            }
        }
        loop {
            let call = base.clone().limit(gathered.wanted()).set_exclusive_start_key(start.take());
            let answer = call.send().await.map_err(|error| table_error(table, "querying items", &error))?;
            gathered.add(answer.items.unwrap_or_default())?;
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if gathered.more || start.is_none() {
                return gathered.into_page();
            }
        }
    }

    pub(super) async fn scan_pages(
        &self,
        schema: &TableSchema,
        after: Option<ItemKey>,
        limit: usize,
    ) -> Result<Page, TableError> {
        let table = &schema.name;
        let mut start = None;
        if let Some(after) = &after {
            schema.check_key(after)?;
            start = Some(key_attributes(schema, after)?);
        }
        let mut gathered = self.gather(schema, limit);
        loop {
            let call = self.client.scan().table_name(self.physical(table)).consistent_read(true);
            let call = call.limit(gathered.wanted()).set_exclusive_start_key(start.take());
            let answer = call.send().await.map_err(|error| table_error(table, "scanning items", &error))?;
            gathered.add(answer.items.unwrap_or_default())?;
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if gathered.more || start.is_none() {
                return gathered.into_page();
            }
        }
    }
}

fn check_bounds(schema: &TableSchema, query: &Query) -> Result<(), TableError> {
    schema.check_partition(&query.partition)?;
    for bound in [&query.from, &query.to].into_iter().flatten() {
        schema.check_sort(bound)?;
    }
    query.after.as_ref().map_or(Ok(()), |after| schema.check_key(after))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;

    fn text(text: &str) -> Option<KeyValue> {
        Some(KeyValue::String(text.to_owned()))
    }

    #[test]
    fn pages_that_begin_outside_of_a_range_begin_at_its_end_or_not_at_all() {
        let check = |order, after: &str, expected: Option<Option<&str>>| {
            let key = ItemKey { partition: KeyValue::String("p".to_owned()), sort: text(after) };
            let partition = key.partition.clone();
            let query = Query { partition, from: text("c"), to: text("f"), order, limit: 1, after: Some(key) };
            let found = range_of(&query).map(|range| range.after.and_then(|after| after.sort));
            assert_eq!(found, expected.map(|inside| inside.and_then(text)), "{order:?} {after}");
        };
        check(Order::Asc, "a", Some(None));
        check(Order::Asc, "c", Some(Some("c")));
        check(Order::Asc, "f", None);
        check(Order::Asc, "g", None);
        check(Order::Desc, "a", None);
        check(Order::Desc, "c", None);
        check(Order::Desc, "d", Some(Some("d")));
        check(Order::Desc, "g", Some(None));
    }

    #[test]
    fn expired_items_are_those_whose_second_has_come() {
        let check = |value: AttributeValue, expired: bool| {
            let item = Attributes::from([("at".to_owned(), value.clone())]);
            assert_eq!(is_expired(&item, Some("at"), Timestamp::from_millis(10_999)), expired, "{value:?}");
            assert!(!is_expired(&item, None, Timestamp::from_millis(10_999)));
        };
        check(AttributeValue::N("9".to_owned()), true);
        check(AttributeValue::N("10".to_owned()), true);
        check(AttributeValue::N("10.5".to_owned()), false);
        check(AttributeValue::N("11".to_owned()), false);
        check(AttributeValue::S("9".to_owned()), false);
    }
}
