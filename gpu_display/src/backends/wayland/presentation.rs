//! When frames came on a screen: wp_presentation, asked with each frame and never without one.

use std::time::Duration;

use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Connection, Dispatch, QueueHandle, WEnum};
use wayland_protocols::wp::presentation_time::client::wp_presentation::{self, WpPresentation};
use wayland_protocols::wp::presentation_time::client::wp_presentation_feedback::{
    self, Kind, WpPresentationFeedback,
};

use super::link::Link;
use super::state::State;
use crate::DisplayError;

/// Frames of one connection that the compositor has not told of. Of more it is not asked: a
/// compositor that never answers must not cost memory.
const MAX_ASKED: u32 = 64;

const NANOSECONDS_PER_SECOND: u32 = 1_000_000_000;

/// How a frame came on a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaylandPresentation {
    /// When its first pixel was on the screen, as `clock` tells the time.
    pub time: Duration,
    /// The clock, as `clock_gettime` knows it; `None` if the compositor does not say.
    pub clock: Option<u32>,
    /// How long the screen shows a picture; `None` if that is not known. For a screen with a
    /// variable rate the compositor chooses, usually the shortest time.
    pub refresh: Option<Duration>,
    /// Counts the pictures of the screen; 0 if nobody does.
    pub sequence: u64,
    /// Whether the screen reads the frame where it was drawn.
    pub zero_copy: bool,
}

/// What a compositor that tells of frames has said, and was asked.
#[derive(Debug, Default)]
pub(super) struct Presentations {
    pub(super) global: Option<WpPresentation>,
    clock: Option<u32>,
    /// Frames that were asked about.
    asked: u32,
}

impl Link {
    /// Asks what becomes of the next commit of an output's window.
    pub(super) fn ask_when_shown(&mut self, surface: &WlSurface, output: u32) {
        let presentations = &mut self.presentations;
        if let Some(global) = &presentations.global
            && presentations.asked < MAX_ASKED
        {
            presentations.asked = presentations.asked.saturating_add(1);
            let feedback = global.feedback(surface, &self.queue, output);
            self.count(&feedback);
        }
    }
}

impl Dispatch<WpPresentation, ()> for State {
    fn event(
        state: &mut Self,
        _: &WpPresentation,
        event: wp_presentation::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wp_presentation::Event::ClockId { clk_id } = event
            && let Some(link) = &mut state.link
        {
            link.presentations.clock = Some(clk_id);
        }
    }
}

impl Dispatch<WpPresentationFeedback, u32> for State {
    fn event(
        state: &mut Self,
        _: &WpPresentationFeedback,
        event: wp_presentation_feedback::Event,
        output: &u32,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        let Some(link) = &mut state.link else {
            return;
        };
        let presentations = &mut link.presentations;
        match event {
            wp_presentation_feedback::Event::Presented {
                tv_sec_hi,
                tv_sec_lo,
                tv_nsec,
                refresh,
                seq_hi,
                seq_lo,
                flags,
            } => {
                presentations.asked = presentations.asked.saturating_sub(1);
                if tv_nsec >= NANOSECONDS_PER_SECOND {
                    link.trouble = Some(DisplayError::Protocol {
                        code: 0,
                        message: format!("a time of {tv_nsec} nanoseconds in a second"),
                    });
                    return;
                }
                let flags = match flags {
                    WEnum::Value(flags) => flags.bits(),
                    WEnum::Unknown(flags) => flags,
                };
                let presentation = WaylandPresentation {
                    time: Duration::new(whole(tv_sec_hi, tv_sec_lo), tv_nsec),
                    clock: presentations.clock,
                    refresh: (refresh > 0).then(|| Duration::from_nanos(refresh.into())),
                    sequence: whole(seq_hi, seq_lo),
                    zero_copy: flags & Kind::ZeroCopy.bits() != 0,
                };
                state.frame_is_presented(*output, presentation);
            }
            wp_presentation_feedback::Event::Discarded => {
                presentations.asked = presentations.asked.saturating_sub(1);
                let discarded = &mut state.statistics.discarded_frames;
                *discarded = discarded.saturating_add(1);
            }
            // Which monitor it was: its rate is told with the frame.
            _ => {}
        }
    }
}

impl State {
    /// A frame came on a screen, whose rate is the one to draw at.
    fn frame_is_presented(&mut self, output: u32, presentation: WaylandPresentation) {
        let shown = &mut self.statistics.presented_frames;
        *shown = shown.saturating_add(1);
        if let Some(window) = self.windows.get_mut(&output) {
            window.presentation = Some(presentation);
        }
        if let Some(refresh) = presentation.refresh {
            self.modes.prefer_refresh(output, refresh, self.now);
        }
    }
}

/// A number that is told in halves.
fn whole(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
