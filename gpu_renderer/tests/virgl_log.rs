//! What the library says reaches `log`, and not too much of it.
#![allow(clippy::arithmetic_side_effects, clippy::expect_used)]

mod virgl_support;

use std::sync::Mutex;
use std::time::Instant;

use gpu_renderer::Renderer;
use log::{LevelFilter, Log, Metadata, Record};
use virgl_support::{context, with_renderer};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Collector;

impl Log for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.lock().expect("lines").push(record.args().to_string());
    }

    fn flush(&self) {}
}

#[test]
fn complaints_about_streams_are_logged_and_throttled() {
    log::set_logger(&Collector).expect("the only logger");
    log::set_max_level(LevelFilter::Trace);
    with_renderer(|renderer| {
        let context = context(renderer, 1);
        let begun = Instant::now();

        for _ in 0..500 {
            // A clear without its arguments.
            let result = renderer.submit(context, &mut [0x0000_0007]);
            assert!(result.is_err());
        }

        let seconds = begun.elapsed().as_secs();
        let lines = LINES.lock().expect("lines");
        let from_library = lines
            .iter()
            .filter(|line| line.starts_with("virglrenderer: "))
            .count() as u64;
        assert!(from_library > 0, "{lines:?}");
        // Ten a second, and one that counts the others.
        assert!(from_library <= 11 * (seconds + 1), "{from_library}");
        assert!(lines.iter().any(|line| line.contains("CLEAR")), "{lines:?}");
        assert!(!lines.iter().any(|line| line.contains(char::is_control)));
    });
}
