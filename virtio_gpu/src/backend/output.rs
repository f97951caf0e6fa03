//! GET_DISPLAY_INFO and GET_EDID.
//!
//! Where the display has to ask somebody else, the command is pending until
//! the answer is in; the display answers within its own deadline, always.

use gpu_display::{Display, Freshness, Query};

use super::{Backend, Outcome, PendingQuery};
use crate::edid::{self, EdidRequest};
use crate::error::CommandError;
use crate::protocol::{DisplayMode, ScanoutId, Success};

/// What is described where the display knows no size: the mode that a guest
/// falls back to by itself.
const FALLBACK: (u32, u32, u32) = (1024, 768, 60_000);

impl<D: Display> Backend<D> {
    pub(super) fn get_display_info(&mut self) -> Outcome {
        self.ask(Query::Outputs)
    }

    pub(super) fn get_edid(&mut self, scanout: ScanoutId) -> Outcome {
        if self.scanout_index(scanout).is_err() {
            return Outcome::Done(Err(CommandError::NoEdid(scanout)));
        }
        self.ask(Query::Edid { output: scanout.0 })
    }

    fn ask(&mut self, query: Query) -> Outcome {
        match self.display.refresh(query) {
            Freshness::Current => Outcome::Done(Ok(self.answer(query))),
            Freshness::Pending => {
                let ticket = self.next_ticket();
                self.queries.push(PendingQuery { query, ticket });
                Outcome::Pending(ticket)
            }
        }
    }

    /// The display has answered a question: so are all who asked it.
    pub(super) fn finish_query(&mut self, query: Query) {
        let waiting: Vec<_> = self
            .queries
            .extract_if(.., |pending| pending.query == query)
            .collect();
        for pending in waiting {
            let answer = self.answer(query);
            self.finished.push((pending.ticket, Ok(answer)));
        }
    }

    pub(super) fn answer(&self, query: Query) -> Success {
        match query {
            Query::Outputs => self.display_info(),
            Query::Edid { output } => Success::Edid(self.edid(output)),
        }
    }

    fn display_info(&self) -> Success {
        let mut modes = [DisplayMode::default(); 16];
        let outputs = self.display.outputs().iter().take(self.scanouts.len());
        for (mode, output) in modes.iter_mut().zip(outputs) {
            mode.rect.x = output.x;
            mode.rect.y = output.y;
            mode.rect.width = output.mode.width;
            mode.rect.height = output.mode.height;
            mode.enabled = output.enabled;
        }
        Success::DisplayInfo(modes)
    }

    fn edid(&self, output: u32) -> Vec<u8> {
        if let Some(own) = self.display.edid(output) {
            return own.to_vec();
        }
        let known = usize::try_from(output)
            .ok()
            .and_then(|index| self.display.outputs().get(index))
            .filter(|output| output.mode.width > 0 && output.mode.height > 0);
        let (width, height, refresh_millihertz) = known.map_or(FALLBACK, |output| {
            (
                output.mode.width,
                output.mode.height,
                output.mode.refresh_millihertz,
            )
        });
        edid::generate(&EdidRequest {
            width,
            height,
            refresh_millihertz,
            width_mm: known.map_or(0, |output| output.width_mm),
            height_mm: known.map_or(0, |output| output.height_mm),
            name: "virtio-gpu",
            serial: output.saturating_add(1),
        })
    }
}
