#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| otter_binlog::fuzzing::file(bytes));
