//! The log of this thread's device.

use std::cell::RefCell;
use std::sync::Once;

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Collector;

impl Log for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        LINES.with_borrow_mut(|lines| lines.push(line));
    }

    fn flush(&self) {}
}

/// Collects what is logged from now on, in each thread for itself. Only the first call counts.
pub fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Collector).expect("nobody else installs a logger in these tests");
        log::set_max_level(LevelFilter::Info);
    });
}

/// The lines that this thread has logged since the last call.
pub fn take() -> Vec<String> {
    LINES.take()
}
