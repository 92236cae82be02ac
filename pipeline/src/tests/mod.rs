//! Tests of the assembled server that need no process, port or folder.

mod simulation;
