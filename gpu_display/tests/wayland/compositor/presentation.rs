//! When frames were shown, as far as a test has it told.

use std::time::Duration;

use wayland_protocols::wp::presentation_time::server::wp_presentation::{self, WpPresentation};
use wayland_protocols::wp::presentation_time::server::wp_presentation_feedback::{
    self, Kind, WpPresentationFeedback,
};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource};

use super::World;
use super::surface::SurfaceIndex;

/// CLOCK_MONOTONIC.
pub(crate) const CLOCK: u32 = 1;

/// How a frame is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) time: Duration,
    /// Nanoseconds.
    pub(crate) refresh: u32,
    pub(crate) sequence: u64,
    pub(crate) kind: Kind,
}

impl World {
    /// Tells of all frames that were committed.
    pub(crate) fn tell_presented(&mut self, shown: Shown) {
        let halves = |whole: u64| ((whole >> 32) as u32, whole as u32);
        let (seconds_high, seconds_low) = halves(shown.time.as_secs());
        let (sequence_high, sequence_low) = halves(shown.sequence);
        for feedback in self.feedbacks.drain(..) {
            feedback.presented(
                seconds_high,
                seconds_low,
                shown.time.subsec_nanos(),
                shown.refresh,
                sequence_high,
                sequence_low,
                shown.kind,
            );
        }
    }

    /// Says of all frames that were committed that nobody saw them.
    pub(crate) fn tell_discarded(&mut self) {
        for feedback in self.feedbacks.drain(..) {
            feedback.discarded();
        }
    }
}

impl GlobalDispatch<WpPresentation, ()> for World {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        presentation: New<WpPresentation>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(presentation, ()).clock_id(CLOCK);
    }
}

impl Dispatch<WpPresentation, ()> for World {
    fn request(
        world: &mut Self,
        _: &Client,
        _: &WpPresentation,
        request: wp_presentation::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wp_presentation::Request::Feedback { surface, callback } = request {
            let index = surface.data::<SurfaceIndex>().unwrap();
            let feedback = init.init(callback, ());
            world.surfaces[index.0].pending.feedbacks.push(feedback);
        }
    }
}

impl Dispatch<WpPresentationFeedback, ()> for World {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WpPresentationFeedback,
        _: wp_presentation_feedback::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}
