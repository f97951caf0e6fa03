//! Log lines to standard error, which may be full or gone.
//!
//! A daemon must not stop or die because nobody reads its log: a line that cannot be written at once is dropped
//! and counted, and the count is told with the next line that passes.

use std::io::Write as _;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use log::{LevelFilter, Log, Metadata, Record};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The longest line in bytes: what a pipe that polls as writable takes without waiting (`PIPE_BUF`).
const MAX_LINE: usize = 4096;

/// The one logger of the process.
#[derive(Debug)]
struct StderrLogger {
    start: OnceLock<Instant>,
    dropped: AtomicU64,
}

static LOGGER: StderrLogger = StderrLogger {
    start: OnceLock::new(),
    dropped: AtomicU64::new(0),
};

/// Sends the lines of all crates up to `level` to standard error. A second call changes only the level.
pub fn install(level: LevelFilter) {
    LOGGER.start.get_or_init(Instant::now);
    // An error means that a logger is there already: ours, or the embedder's own, which stays.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level);
}

impl Log for StderrLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let elapsed = self.start.get_or_init(Instant::now).elapsed();
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let mut line = format!(
            "[{:5}.{:03} {:5} {}] {}",
            elapsed.as_secs(),
            elapsed.subsec_millis(),
            record.level(),
            record.target(),
            record.args()
        );
        if dropped > 0 {
            line.push_str(&format!(" ({dropped} lines before this one were lost)"));
        }
        if !write_line(line) {
            self.dropped
                .fetch_add(dropped.saturating_add(1), Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// Writes one line to standard error if it takes it now.
fn write_line(line: String) -> bool {
    let mut bytes = line.replace('\n', " ").into_bytes();
    bytes.truncate(MAX_LINE.saturating_sub(1));
    bytes.push(b'\n');
    let stderr = std::io::stderr();
    let mut watched = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let writable = poll(&mut watched, PollTimeout::ZERO).is_ok()
        && watched
            .first()
            .and_then(PollFd::revents)
            .is_some_and(|events| events == PollFlags::POLLOUT);
    writable && stderr.lock().write_all(&bytes).is_ok()
}
