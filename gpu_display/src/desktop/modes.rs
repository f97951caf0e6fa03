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

/// The rate of an output of which none is known, as guests assume.
const USUAL_RATE: u32 = 60_000;

/// The outputs.
#[derive(Debug)]
pub(crate) struct Modes {
    told: Vec<Output>,
    wanted: Vec<Output>,
    /// Whose rate each output has.
    rates: Vec<Rate>,
    /// Since when `wanted` is something else than `told`, and its last change.
    changed: Option<(Instant, Instant)>,
}

/// Who chooses a refresh rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rate {
    /// Whoever made the output.
    Fixed,
    /// The monitor that shows it.
    Monitor,
}

impl Rate {
    /// Who chooses the rate of an output that is asked for, which gets one until it is chosen.
    fn decide(output: &mut Output) -> Self {
        match output.mode.refresh_millihertz {
            0 => {
                output.mode.refresh_millihertz = USUAL_RATE;
                Self::Monitor
            }
            _ => Self::Fixed,
        }
    }
}

impl Modes {
    /// Outputs. The rate of one that has none is a usual one, or what the monitor turns out to have.
    pub(crate) fn new(mut outputs: Vec<Output>) -> Self {
        Self {
            rates: outputs.iter_mut().map(Rate::decide).collect(),
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
        self.note_change(now);
    }

    /// The output's window is on a monitor that shows a picture for so long. Nothing changes if the
    /// output has a rate of its own, or nearly this one, or if there is no such rate.
    #[cfg(feature = "wayland")]
    pub(crate) fn prefer_refresh(&mut self, output: u32, time: Duration, now: Instant) {
        /// Refresh rates that are asked for, in thousandths of a hertz.
        const RATES: std::ops::RangeInclusive<u64> = 10_000..=1_000_000;
        /// The part of a rate by which it may differ from another one and be the same: 59.94 is 60 to a
        /// guest that would start its mode anew.
        const SAME_RATE: u32 = 100;
        /// Thousandths of a hertz times nanoseconds.
        const RATE_TIMES_TIME: u64 = 1_000_000_000_000;
        let Ok(index) = usize::try_from(output) else {
            return;
        };
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let rate = RATE_TIMES_TIME.checked_div(time);
        let rate = rate.filter(|rate| RATES.contains(rate));
        let rate = rate.and_then(|rate| u32::try_from(rate).ok());
        let (Some(rate), Some(Rate::Monitor), Some(wanted)) =
            (rate, self.rates.get(index), self.wanted.get_mut(index))
        else {
            return;
        };
        let old = wanted.mode.refresh_millihertz;
        if rate.abs_diff(old) > old / SAME_RATE {
            wanted.mode.refresh_millihertz = rate;
            self.note_change(now);
        }
    }

    fn note_change(&mut self, now: Instant) {
        let since = self.changed.map_or(now, |(since, _)| since);
        self.changed = Some((since, now));
    }

    /// The output is another now, by decision and at once; whether that is news. Its rate is decided
    /// as well if it is not the one that was told. `None` if there is no such output.
    pub(crate) fn set(&mut self, output: u32, mut changed: Output) -> Option<bool> {
        let index = usize::try_from(output).ok()?;
        let (told, wanted) = (self.told.get_mut(index)?, self.wanted.get_mut(index)?);
        if told.mode.refresh_millihertz != changed.mode.refresh_millihertz
            && let Some(rate) = self.rates.get_mut(index)
        {
            *rate = Rate::decide(&mut changed);
        }
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

    #[cfg(feature = "wayland")]
    mod rates {
        use super::*;

        /// Pictures of 144 and of 59.94 hertz.
        const FAST: Duration = Duration::from_nanos(6_944_444);
        const TELEVISION: Duration = Duration::from_nanos(16_683_350);

        fn unset() -> Modes {
            let mut output = modes().outputs()[0];
            output.mode.refresh_millihertz = 0;
            Modes::new(vec![output])
        }

        fn rate_after(modes: &mut Modes, refresh: Duration) -> u32 {
            let now = Instant::now();
            modes.prefer_refresh(0, refresh, now);
            modes.settle(now + Duration::from_secs(1));
            modes.outputs()[0].mode.refresh_millihertz
        }

        #[test]
        fn an_output_without_a_rate_has_a_usual_one_and_then_its_monitors() {
            let mut modes = unset();
            assert_eq!(modes.outputs()[0].mode.refresh_millihertz, 60_000);

            assert_eq!(rate_after(&mut modes, FAST), 144_000);
            assert_eq!(modes.deadline(), None);
        }

        #[test]
        fn a_rate_that_was_asked_for_stays() {
            assert_eq!(rate_after(&mut modes(), FAST), 60_000);

            let mut modes = unset();
            let mut decided = modes.outputs()[0];
            decided.mode.refresh_millihertz = 50_000;
            modes.set(0, decided);
            assert_eq!(rate_after(&mut modes, FAST), 50_000);
        }

        #[test]
        fn nearly_the_same_rate_and_an_impossible_one_are_no_news() {
            let mut modes = unset();
            let impossible = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
            for refresh in impossible.into_iter().chain([TELEVISION]) {
                modes.prefer_refresh(0, refresh, Instant::now());
                assert_eq!(modes.deadline(), None, "{refresh:?}");
            }
        }

        #[test]
        fn plugging_a_monitor_out_and_in_decides_no_rate() {
            let mut modes = unset();
            for enabled in [false, true] {
                let output = Output {
                    enabled,
                    ..modes.outputs()[0]
                };
                modes.set(0, output);
            }

            assert_eq!(rate_after(&mut modes, FAST), 144_000);
        }
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
