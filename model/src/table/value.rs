//! What items are made of: attributes of the kinds that DynamoDB has.

use std::collections::BTreeSet;

use bytes::Bytes;
use indexmap::IndexMap;

use super::number::Number;

/// A row: attributes by name, in the order they were written. Equality does not look at the order. Nulls are kept.
pub type Item = IndexMap<String, AttributeValue>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// Text.
    String(String),
    /// A number, exact to 38 digits.
    Number(Number),
    /// Bytes.
    Binary(Bytes),
    /// Values in order, of any kinds.
    List(Vec<AttributeValue>),
    /// Values by name.
    Map(Item),
    /// Different texts, in no order.
    StringSet(NonEmptySet<String>),
    /// Different numbers, in no order.
    NumberSet(NonEmptySet<Number>),
    /// Different byte strings, in no order.
    BinarySet(NonEmptySet<Bytes>),
}

/// How deep lists and maps may stand in each other, as deep as JSON readers go.
pub const NESTING_MAX: usize = 128;

impl AttributeValue {
    /// Whether lists and maps stand in each other at most `max` deep.
    pub fn nests_at_most(&self, max: usize) -> bool {
        let mut inner: Box<dyn Iterator<Item = &AttributeValue>> = match self {
            AttributeValue::List(values) => Box::new(values.iter()),
            AttributeValue::Map(item) => Box::new(item.values()),
            _ => return true,
        };
        max > 0 && inner.all(|value| value.nests_at_most(max - 1))
    }

    /// Bytes of the value, about; every number counts as its longest form.
    fn size_bytes(&self) -> usize {
        const NUMBER_BYTES: usize = 40;
        match self {
            AttributeValue::Null | AttributeValue::Bool(_) => 1,
            AttributeValue::String(text) => text.len(),
            AttributeValue::Number(_) => NUMBER_BYTES,
            AttributeValue::Binary(bytes) => bytes.len(),
            AttributeValue::List(values) => values.iter().map(|value| value.size_bytes() + 1).sum(),
            AttributeValue::Map(item) => size_bytes(item),
            AttributeValue::StringSet(set) => set.iter().map(String::len).sum(),
            AttributeValue::NumberSet(set) => set.iter().len() * NUMBER_BYTES,
            AttributeValue::BinarySet(set) => set.iter().map(Bytes::len).sum(),
        }
    }
}

/// How large an item is, about: its names and values, without what keeps them apart.
pub fn size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

/// Members of a set: at least one, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonEmptySet<T>(BTreeSet<T>);

impl<T: Ord> NonEmptySet<T> {
    /// A set of these members; `None` if there are none.
    pub fn new(members: impl IntoIterator<Item = T>) -> Option<Self> {
        let members: BTreeSet<T> = members.into_iter().collect();
        (!members.is_empty()).then_some(NonEmptySet(members))
    }

    /// The members, the smallest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.0.iter()
    }
}
