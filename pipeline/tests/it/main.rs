//! Tests of the house and of the binary as its users meet it.

mod borders;
