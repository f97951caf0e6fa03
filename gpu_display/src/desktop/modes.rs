//! The outputs of a display with windows: each prefers the size that the user gave its window.

use std::time::{Duration, Instant};

use crate::Output;

/// How long a window must keep its size before its output changes. Until then its picture is
/// scaled: a guest needs a while for another mode.
const QUIET: Duration = Duration::from_millis(150);

/// How long a window may go on changing before its output changes all the same.
const LONGEST: Duration = Duration::from_secs(1);

/// Sides of the modes that are asked for, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 32..=16_384;

/// The outputs.
#[derive(Debug)]
pub(crate) struct Modes {
    told: Vec<Output>,
    wanted: Vec<Output>,
    /// Since when `wanted` is something else than `told`, and its last change.
    changed: Option<(Instant, Instant)>,
}

impl Modes {
    pub(crate) fn new(outputs: Vec<Output>) -> Self {
        Self {
            wanted: outputs.clone(),
            told: outputs,
            changed: None,
        }
    }

    /// The outputs as they were last told.
    pub(crate) fn outputs(&self) -> &[Output] {
        &self.told
    }

    /// The number of outputs.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.told.len()).unwrap_or(u32::MAX)
    }

    /// The size that an output prefers now, told or not.
    pub(crate) fn preferred(&self, output: u32) -> Option<(u32, u32)> {
        let mode = self.wanted.get(usize::try_from(output).ok()?)?.mode;
        Some((mode.width, mode.height))
    }

    /// The output's window has a size that its user chose. Impossible sizes become the nearest
    /// possible ones.
    pub(crate) fn prefer(&mut self, output: u32, width: u32, height: u32, now: Instant) {
        let wanted = usize::try_from(output)
            .ok()
            .and_then(|index| self.wanted.get_mut(index));
        let Some(wanted) = wanted else {
            return;
        };
        let size = (
            width.clamp(*SIDES.start(), *SIDES.end()),
            height.clamp(*SIDES.start(), *SIDES.end()),
        );
        if (wanted.mode.width, wanted.mode.height) == size {
            return;
        }
        (wanted.mode.width, wanted.mode.height) = size;
        let since = self.changed.map_or(now, |(since, _)| since);
        self.changed = Some((since, now));
    }

    /// The output is another now, by decision and at once; whether that is news. `None` if there is no
    /// such output.
    pub(crate) fn set(&mut self, output: u32, changed: Output) -> Option<bool> {
        let index = usize::try_from(output).ok()?;
        let (told, wanted) = (self.told.get_mut(index)?, self.wanted.get_mut(index)?);
        let is_news = *told != changed;
        (*told, *wanted) = (changed, changed);
        Some(is_news)
    }

    /// Whether a monitor is plugged in at the output.
    pub(crate) fn is_enabled(&self, output: u32) -> bool {
        let index = usize::try_from(output).ok();
        let wanted = index.and_then(|index| self.wanted.get(index));
        wanted.is_some_and(|output| output.enabled)
    }

    /// When [`Modes::settle`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (since, last) = self.changed?;
        let quiet = last.checked_add(QUIET).unwrap_or(last);
        let longest = since.checked_add(LONGEST).unwrap_or(since);
        Some(quiet.min(longest))
    }

    /// Tells what was changed for long enough; whether there was something.
    pub(crate) fn settle(&mut self, now: Instant) -> bool {
        if self.deadline().is_none_or(|due| due > now) {
            return false;
        }
        self.changed = None;
        let changed = self.told != self.wanted;
        self.told.clone_from(&self.wanted);
        changed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::*;
    use crate::Mode;

    fn modes() -> Modes {
        let mode = Mode {
            width: 640,
            height: 480,
            refresh_millihertz: 60_000,
        };
        Modes::new(vec![Output {
            enabled: true,
            x: 0,
            y: 0,
            mode,
            width_mm: 0,
            height_mm: 0,
        }])
    }

    fn told(modes: &Modes) -> (u32, u32) {
        let mode = modes.outputs()[0].mode;
        (mode.width, mode.height)
    }

    #[test]
    fn an_output_changes_when_its_window_has_been_quiet() {
        let start = Instant::now();
        let mut modes = modes();
        modes.prefer(0, 800, 600, start);
        modes.prefer(0, 810, 610, start + Duration::from_millis(100));
        assert_eq!(told(&modes), (640, 480));
        assert_eq!(modes.preferred(0), Some((810, 610)));

        let early = modes.settle(start + Duration::from_millis(249));
        let due = modes.settle(start + Duration::from_millis(250));
        let again = modes.settle(start + Duration::from_secs(9));

        assert_eq!((early, due, again), (false, true, false));
        assert_eq!(told(&modes), (810, 610));
        assert_eq!(modes.deadline(), None);
    }

    #[test]
    fn an_output_changes_once_a_second_while_its_window_keeps_changing() {
        let start = Instant::now();
        let mut modes = modes();

        let changes = (0..2500)
            .filter(|millisecond| {
                let now = start + Duration::from_millis(*millisecond);
                let width = 700 + u32::try_from(*millisecond).unwrap();
                modes.prefer(0, width, 600, now);
                modes.settle(now)
            })
            .count();

        assert_eq!(changes, 2);
    }

    #[test]
    fn a_window_that_is_as_before_in_the_end_changes_nothing() {
        let start = Instant::now();
        let mut modes = modes();
        modes.prefer(0, 800, 600, start);
        modes.prefer(0, 640, 480, start);

        assert!(!modes.settle(start + Duration::from_secs(1)));
    }

    #[test]
    fn a_decision_is_told_at_once() {
        let start = Instant::now();
        let mut modes = modes();
        modes.prefer(0, 800, 600, start);
        let unplugged = Output {
            enabled: false,
            ..modes.outputs()[0]
        };

        assert_eq!(modes.set(0, unplugged), Some(true));
        assert_eq!(modes.set(0, unplugged), Some(false));
        assert_eq!(modes.set(1, unplugged), None);

        assert_eq!(modes.outputs(), [unplugged]);
        assert!(!modes.is_enabled(0));
        assert!(!modes.settle(start + Duration::from_secs(9)));
    }

    #[test]
    fn impossible_sizes_and_outputs_are_clamped_or_ignored() {
        let start = Instant::now();
        let mut modes = modes();
        modes.prefer(7, 800, 600, start);
        assert_eq!(modes.deadline(), None);

        modes.prefer(0, 0, u32::MAX, start);

        assert_eq!(modes.preferred(0), Some((32, 16_384)));
    }
}
