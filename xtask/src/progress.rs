//! Stages that take a while: a bar on a terminal, one line with the time taken elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const WIDTH: u32 = 24;
const WORTH_TELLING: Duration = Duration::from_secs(2);
const UNKNOWN: u32 = u32::MAX;

/// A stage under way. Call [`Stage::done`] when it has succeeded.
#[derive(Debug)]
pub(crate) struct Stage {
    title: String,
    start: Instant,
    permille: Arc<AtomicU32>,
    ended: Arc<AtomicBool>,
    painter: Option<JoinHandle<()>>,
}

impl Stage {
    /// Begins a stage that usually takes about `expected`; the bar follows that until told better.
    pub(crate) fn start(title: &str, expected: Duration) -> Self {
        let mut stage = Self {
            title: title.to_owned(),
            start: Instant::now(),
            permille: Arc::new(AtomicU32::new(UNKNOWN)),
            ended: Arc::default(),
            painter: None,
        };
        if std::io::stderr().is_terminal() {
            let (permille, ended) = (Arc::clone(&stage.permille), Arc::clone(&stage.ended));
            let (title, start) = (stage.title.clone(), stage.start);
            stage.painter = Some(thread::spawn(move || {
                while !ended.load(Ordering::Acquire) {
                    let known = permille.load(Ordering::Relaxed);
                    let done = if known == UNKNOWN {
                        guess(start.elapsed(), expected)
                    } else {
                        known
                    };
                    eprint!("\r{}\x1b[K", bar(&title, done, start.elapsed()));
                    let _ = std::io::stderr().flush();
                    thread::park_timeout(Duration::from_millis(100));
                }
                eprint!("\r\x1b[K");
            }));
        }
        stage
    }

    /// Tells how much of the work is done.
    pub(crate) fn progress(&self, done: u64, all: u64) {
        let permille = done
            .saturating_mul(1000)
            .checked_div(all)
            .unwrap_or(0)
            .min(1000);
        self.permille
            .store(u32::try_from(permille).unwrap_or(1000), Ordering::Relaxed);
    }

    /// Ends the stage and prints what it took.
    pub(crate) fn done(mut self) {
        self.erase();
        eprintln!(
            "{:<40} {:>6.1} s",
            self.title,
            self.start.elapsed().as_secs_f32()
        );
    }

    /// Ends the stage and prints what it took, if that was long enough to wonder about.
    pub(crate) fn done_quietly(self) {
        if self.start.elapsed() > WORTH_TELLING {
            self.done();
        }
    }

    fn erase(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(painter) = self.painter.take() {
            painter.thread().unpark();
            // A painter that panicked has nothing left to erase.
            let _ = painter.join();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.erase();
    }
}

fn guess(elapsed: Duration, expected: Duration) -> u32 {
    let permille = elapsed
        .as_millis()
        .saturating_mul(1000)
        .checked_div(expected.as_millis())
        .unwrap_or(0);
    u32::try_from(permille.min(950)).unwrap_or(950)
}

fn bar(title: &str, permille: u32, elapsed: Duration) -> String {
    let full = permille.saturating_mul(WIDTH).div_euclid(1000).min(WIDTH);
    let bar: String = (0..WIDTH)
        .map(|cell| if cell < full { '#' } else { '.' })
        .collect();
    format!("{title:<40} [{bar}] {:>4} s", elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_fills_from_the_left() {
        assert!(bar("x", 0, Duration::ZERO).contains(&format!("[{}]", ".".repeat(24))));
        assert!(bar("x", 500, Duration::ZERO).contains("[############............]"));
        assert!(bar("x", 9999, Duration::ZERO).contains(&format!("[{}]", "#".repeat(24))));
    }

    #[test]
    fn a_guess_never_claims_the_end() {
        assert_eq!(guess(Duration::from_secs(5), Duration::from_secs(10)), 500);
        assert_eq!(guess(Duration::from_secs(50), Duration::from_secs(10)), 950);
        assert_eq!(guess(Duration::from_secs(5), Duration::ZERO), 0);
    }
}
