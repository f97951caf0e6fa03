//! What is seen: pictures and cursors where the device shows them, and whether it still draws.

use std::time::{Duration, Instant};

use super::Run;
use crate::case::{DISPLAY_INFO, OK};
use crate::exchange::Exchange;
use crate::executor::ShownCursor;
use crate::map::LEGAL_IMAGE;
use crate::message::{attach, create, display_info, flush, set_scanout, transfer, unref, whole};
use crate::oracle::write;
use crate::picture::{Picture, gradient};
use crate::violation::Violation;

/// How long a probe may take.
const PROBE_LIMIT: Duration = Duration::from_millis(100);

/// Id of the resource that the closing legal sequence makes.
const LEGAL: u32 = 0x7fff_fff1;

impl Run<'_> {
    pub(super) fn shows(
        &mut self,
        scanout: u32,
        expected: Option<&Picture>,
    ) -> Result<(), Violation> {
        let start = Instant::now();
        loop {
            let got = self.executor.shown(scanout);
            if got.as_ref() == expected {
                return Ok(());
            }
            // A picture may take a moment to get to where it is seen.
            if start.elapsed() > PROBE_LIMIT * 5 {
                let at = match (&got, expected) {
                    (Some(got), Some(expected)) => got.first_difference(expected),
                    _ => None,
                };
                return Err(Violation::Shows {
                    scanout,
                    got,
                    expected: expected.cloned(),
                    at,
                });
            }
            self.executor.idle();
        }
    }

    pub(super) fn cursor(
        &mut self,
        scanout: u32,
        expected: Option<(u32, u32)>,
    ) -> Result<(), Violation> {
        let start = Instant::now();
        loop {
            let got = self.executor.cursor(scanout);
            match (got, expected) {
                (ShownCursor::Hidden, None) | (ShownCursor::OfSomeSize, Some(_)) => return Ok(()),
                (ShownCursor::OfSize(width, height), Some(size)) if size == (width, height) => {
                    return Ok(());
                }
                _ => {}
            }
            if start.elapsed() > PROBE_LIMIT * 5 {
                return Err(Violation::Cursor {
                    scanout,
                    got,
                    expected,
                });
            }
            self.executor.idle();
        }
    }

    /// A harmless question, answered in time. A machine that is busy otherwise may take the
    /// harness's processor away, so the best of three counts.
    pub(super) fn probe(&mut self) -> Result<(), Violation> {
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let start = Instant::now();
            self.exchange(&Exchange {
                expect: DISPLAY_INFO,
                ..Exchange::from(display_info())
            })?;
            best = best.min(start.elapsed());
            if best <= PROBE_LIMIT {
                return Ok(());
            }
        }
        Err(Violation::Slow(best))
    }

    /// Draws a picture as any guest does, and looks at it.
    pub(super) fn legal_sequence(&mut self) -> Result<(), Violation> {
        const WIDTH: u32 = 33;
        const HEIGHT: u32 = 17;
        let picture = Picture::new(WIDTH, HEIGHT, gradient);
        let bytes = picture.bytes();
        write(&self.executor.memory(), LEGAL_IMAGE, &bytes);
        let rect = whole(WIDTH, HEIGHT);
        for message in [
            create(LEGAL, WIDTH, HEIGHT),
            attach(LEGAL, &[(LEGAL_IMAGE, bytes.len() as u32)]),
            transfer(LEGAL, rect, 0),
            set_scanout(0, LEGAL, rect),
            flush(LEGAL, rect),
        ] {
            self.exchange(&Exchange {
                expect: OK,
                ..Exchange::from(message)
            })?;
        }
        self.shows(0, Some(&picture))?;
        self.exchange(&Exchange {
            expect: OK,
            ..Exchange::from(unref(LEGAL))
        })?;
        self.shows(0, None)
    }
}
