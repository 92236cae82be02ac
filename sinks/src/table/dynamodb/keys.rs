//! Tables as DynamoDB describes them, and as it wants them described.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, KeySchemaElement, KeyType as KeyRole, ScalarAttributeType, TableDescription,
};
use model::name::TableName;
use model::table::store::{KeyAttribute, KeyType, TableSchema};

/// Key attributes with their types.
pub(super) fn definitions(schema: &TableSchema) -> Vec<AttributeDefinition> {
    let keys = [Some(&schema.partition_key), schema.sort_key.as_ref()].into_iter().flatten();
    let definition = |key: &KeyAttribute| {
        let attribute_type = match key.key_type {
            KeyType::String => ScalarAttributeType::S,
            KeyType::Number => ScalarAttributeType::N,
            KeyType::Binary => ScalarAttributeType::B,
        };
        let definition = AttributeDefinition::builder().attribute_name(&key.name).attribute_type(attribute_type);
        definition.build().expect("name and type are set")
    };
    keys.map(definition).collect()
}

/// Which key attribute plays which part.
pub(super) fn roles(schema: &TableSchema) -> Vec<KeySchemaElement> {
    let partition = Some((&schema.partition_key, KeyRole::Hash));
    let sort = schema.sort_key.as_ref().map(|key| (key, KeyRole::Range));
    let element = |(key, role): (&KeyAttribute, KeyRole)| {
        KeySchemaElement::builder().attribute_name(&key.name).key_type(role).build().expect("name and role are set")
    };
    [partition, sort].into_iter().flatten().map(element).collect()
}

/// The keys of a table; none when they are of a type that this version does not know.
pub(super) fn schema_from(name: &TableName, description: &TableDescription) -> Option<TableSchema> {
    let key = |role: &KeyRole| {
        let element = description.key_schema().iter().find(|element| element.key_type() == role)?;
        let name = element.attribute_name();
        let definition = description.attribute_definitions().iter().find(|found| found.attribute_name() == name)?;
        let key_type = match definition.attribute_type() {
            ScalarAttributeType::S => KeyType::String,
            ScalarAttributeType::N => KeyType::Number,
            ScalarAttributeType::B => KeyType::Binary,
            _ => return Some(None),
        };
        Some(Some(KeyAttribute { name: name.to_owned(), key_type }))
    };
    let sort_key = match key(&KeyRole::Range) {
        Some(None) => return None,
        found => found.flatten(),
    };
    Some(TableSchema { name: name.clone(), partition_key: key(&KeyRole::Hash)??, sort_key })
}
