//! What virglrenderer and EGL say, sent on to `log`.
//!
//! A guest can make the library write as many lines as it likes: beyond a few
//! a second they are only counted. The last ones are kept to explain a start
//! that failed. Both libraries call on the thread that called them.
//!
//! They do not say how much a line matters, and chat in normal use: all of it is
//! for debugging. What fails is reported by the calls.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::time::{Duration, Instant};

use super::ffi::{self, LogCallback, SetLogCallback};

/// Lines that are sent on per [`PERIOD`].
const LINES: u32 = 10;

/// How long [`LINES`] count.
const PERIOD: Duration = Duration::from_secs(1);

/// Lines that are kept.
const KEPT: usize = 8;

/// Bytes of a line.
const LINE_BYTES: usize = 512;

thread_local! {
    static LOG: RefCell<Log> = RefCell::new(Log::default());
}

#[derive(Debug, Default)]
struct Log {
    kept: VecDeque<String>,
    throttle: Throttle,
}

/// Lets some lines pass and counts the rest.
#[derive(Debug, Default)]
struct Throttle {
    since: Option<Instant>,
    passed: u32,
    held: u64,
}

impl Throttle {
    /// Whether a line may pass, and how many were held back before it in a
    /// period that is over.
    fn admit(&mut self, now: Instant) -> (bool, u64) {
        let over = self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= PERIOD);
        let mut missed = 0;
        if over {
            self.since = Some(now);
            self.passed = 0;
            missed = std::mem::take(&mut self.held);
        }
        if self.passed < LINES {
            self.passed = self.passed.saturating_add(1);
            (true, missed)
        } else {
            self.held = self.held.saturating_add(1);
            (false, missed)
        }
    }
}

/// Sends the library's lines to `log` from now on.
pub(super) fn capture() {
    forget();
    if let Some(set) = ffi::symbol(c"virgl_set_log_callback") {
        // SAFETY: the symbol is a function of this type wherever the library
        // has it, its interface since 1.0.
        let set: SetLogCallback = unsafe { std::mem::transmute(set) };
        let callback: LogCallback = said;
        // SAFETY: the callback is a function that lives forever and uses no
        // user data.
        unsafe { set(callback, std::ptr::null_mut(), std::ptr::null()) };
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the callback is a function that lives forever.
    unsafe {
        ffi::sys::virgl_set_debug_callback(Some(said_with_arguments));
    }
}

/// What was said last, oldest first.
pub(super) fn last_lines() -> Vec<String> {
    LOG.with_borrow(|log| log.kept.iter().cloned().collect())
}

/// Forgets what was said.
pub(super) fn forget() {
    LOG.with_borrow_mut(|log| log.kept.clear());
}

/// Takes a line from one of the libraries. It is called by C: it must not
/// panic.
pub(super) fn line(source: &str, text: &[u8]) {
    let text = printable(text);
    if text.is_empty() {
        return;
    }
    // Not there while the thread ends, or while it logs a line already.
    let admitted = LOG.try_with(|log| {
        let mut log = log.try_borrow_mut().ok()?;
        let line = format!("{source}: {text}");
        if log.kept.back() != Some(&line) {
            if log.kept.len() >= KEPT {
                log.kept.pop_front();
            }
            log.kept.push_back(line);
        }
        Some(log.throttle.admit(Instant::now()))
    });
    if let Ok(Some((passes, missed))) = admitted {
        if missed > 0 {
            log::debug!("{source}: {missed} lines were left out");
        }
        if passes {
            log::debug!("{source}: {text}");
        }
    }
}

/// The text on one line. A guest can choose parts of it: nothing in it
/// controls a terminal.
fn printable(text: &[u8]) -> String {
    let text = text.get(..LINE_BYTES).unwrap_or(text);
    let text = String::from_utf8_lossy(text);
    let clean: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    clean
}

unsafe extern "C" fn said(_level: c_int, text: *const c_char, _user: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: the library passes a string that ends with a zero byte and
    // lives for the call.
    let text = unsafe { CStr::from_ptr(text) };
    line("virglrenderer", text.to_bytes());
}

#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn said_with_arguments(format: *const c_char, arguments: ffi::VaList) {
    let mut text = [0u8; LINE_BYTES];
    // SAFETY: the buffer has the size that is given; the library passes a
    // format and the arguments for it, which are used once.
    let length = unsafe { ffi::vsnprintf(text.as_mut_ptr().cast(), text.len(), format, arguments) };
    let length = usize::try_from(length).unwrap_or(0);
    let fits = length.min(LINE_BYTES.saturating_sub(1));
    line("virglrenderer", text.get(..fits).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;

    #[test]
    fn ten_lines_a_second_pass_and_the_rest_is_counted() {
        let mut throttle = Throttle::default();
        let start = Instant::now();

        let passed = (0..100).filter(|_| throttle.admit(start).0).count();
        let (passes, missed) = throttle.admit(start + Duration::from_secs(1));

        assert_eq!(passed, 10);
        assert!(passes);
        assert_eq!(missed, 90);
    }

    #[test]
    fn a_line_controls_no_terminal() {
        assert_eq!(printable(b"\x1b[2Jbad \xff\n"), " [2Jbad \u{fffd}");
        assert_eq!(printable(&[b'x'; 4096]).len(), 512);
    }

    #[test]
    fn the_last_lines_are_kept() {
        forget();
        for number in 0..20 {
            line("test", format!("{number}").as_bytes());
        }

        let lines = last_lines();

        assert_eq!(lines.len(), 8);
        assert_eq!(lines.last().map(String::as_str), Some("test: 19"));
    }
}
