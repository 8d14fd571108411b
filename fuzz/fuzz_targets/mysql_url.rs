//! See `millrace_connectors::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| millrace_connectors::fuzz::mysql_url(data));
