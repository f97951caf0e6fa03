//! What a display has to tell, each thing once: as many events as surfaces at most, however long
//! nobody asks.

use std::collections::BTreeSet;

use crate::{Event, SurfaceId};

/// Events that wait to be taken.
#[derive(Debug, Default)]
pub(crate) struct News {
    outputs_changed: bool,
    redraw: BTreeSet<SurfaceId>,
    ready: BTreeSet<SurfaceId>,
    close: BTreeSet<SurfaceId>,
}

impl News {
    pub(crate) fn outputs_changed(&mut self) {
        self.outputs_changed = true;
    }

    pub(crate) fn redraw(&mut self, surface: SurfaceId) {
        self.redraw.insert(surface);
    }

    pub(crate) fn ready(&mut self, surface: SurfaceId) {
        self.ready.insert(surface);
    }

    pub(crate) fn close_requested(&mut self, surface: SurfaceId) {
        self.close.insert(surface);
    }

    /// A surface that is gone has no news.
    pub(crate) fn forget(&mut self, surface: SurfaceId) {
        self.redraw.remove(&surface);
        self.ready.remove(&surface);
        self.close.remove(&surface);
    }

    /// The next event. Redraw comes before ready, so that whoever presents when ready presents all.
    pub(crate) fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.outputs_changed) {
            return Some(Event::OutputsChanged);
        }
        if let Some(surface) = self.redraw.pop_first() {
            return Some(Event::Redraw { surface });
        }
        if let Some(surface) = self.ready.pop_first() {
            return Some(Event::Ready { surface });
        }
        let surface = self.close.pop_first()?;
        Some(Event::CloseRequested { surface })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SurfaceIds;

    #[test]
    fn what_happened_often_is_told_once_and_a_redraw_before_ready() {
        let surface = SurfaceIds::default().allocate().unwrap();
        let mut news = News::default();

        for _ in 0..1000 {
            news.close_requested(surface);
            news.ready(surface);
            news.redraw(surface);
            news.outputs_changed();
        }

        let told: Vec<Event> = std::iter::from_fn(|| news.next()).collect();
        assert_eq!(
            told,
            [
                Event::OutputsChanged,
                Event::Redraw { surface },
                Event::Ready { surface },
                Event::CloseRequested { surface },
            ]
        );
    }

    #[test]
    fn a_surface_that_is_gone_has_no_news() {
        let surface = SurfaceIds::default().allocate().unwrap();
        let mut news = News::default();
        news.ready(surface);
        news.redraw(surface);
        news.close_requested(surface);

        news.forget(surface);

        assert_eq!(news.next(), None);
    }
}
