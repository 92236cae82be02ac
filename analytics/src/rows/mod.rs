//! Records as rows, for continuous queries and ad hoc SQL alike: keys and values of JSON, exact numbers, kinds of columns,
//! columns being gathered, values converted to declared columns, sensor datagrams.

pub(crate) mod key;

pub(crate) mod json_row;

pub(crate) mod field;

pub(crate) mod number;

pub(crate) mod number_kind;

pub(crate) mod column_kind;

pub(crate) mod cells;

pub(crate) mod convert;

pub(crate) mod fit;

pub(crate) mod sensor;
