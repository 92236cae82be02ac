//! Records as rows, for continuous queries and ad hoc SQL alike: keys and values of JSON, kinds of columns, columns being
//! gathered, sensor datagrams.

pub(crate) mod key;

pub(crate) mod json_row;

pub(crate) mod column_kind;

pub(crate) mod cells;

pub(crate) mod fit;

pub(crate) mod sensor;
