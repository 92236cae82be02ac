#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| model::fuzzing::object_name(data));
