//! What is known of the front end's outputs, and which questions about them are open.

use std::time::{Duration, Instant};

use gpu_display::{Event, Mode, Output, Query};

use super::client::{Answer, Question};
use super::wire::{MAX_OUTPUTS, UNPLUGGED, parse_edid, parse_outputs};

/// How long the device waits for an answer before it goes on with what it knows.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it waits while it knows nothing at all. A guest keeps the size it is told first, and QEMU may be slow to
/// answer while it starts; Linux itself gives up after five seconds.
const FIRST_PATIENCE: Duration = Duration::from_secs(4);

/// What a new display shows until the front end says more.
const FIRST_OUTPUT: Output = Output {
    enabled: true,
    mode: Mode {
        width: 1024,
        height: 768,
        ..UNPLUGGED.mode
    },
    ..UNPLUGGED
};

/// Outputs, their EDIDs, and the open questions.
#[derive(Debug)]
pub(super) struct Knowledge {
    pub(super) outputs: [Output; MAX_OUTPUTS],
    edids: [Option<Vec<u8>>; MAX_OUTPUTS],
    /// Queries that the device waits for, and until when.
    waiting: Vec<(Query, Instant)>,
    /// An answer failed to come: nobody waits again until one does.
    silent: bool,
    /// How long to wait.
    patience: Duration,
}

impl Knowledge {
    pub(super) fn new() -> Self {
        let mut outputs = [UNPLUGGED; MAX_OUTPUTS];
        if let Some(first) = outputs.first_mut() {
            *first = FIRST_OUTPUT;
        }
        Self {
            outputs,
            edids: [const { None }; MAX_OUTPUTS],
            waiting: Vec::new(),
            silent: false,
            patience: FIRST_PATIENCE,
        }
    }

    pub(super) fn edid(&self, output: u32) -> Option<&[u8]> {
        self.edids.get(usize::try_from(output).ok()?)?.as_deref()
    }

    /// Whether something is plugged into the output.
    pub(super) fn is_enabled(&self, output: u32) -> bool {
        usize::try_from(output)
            .ok()
            .and_then(|output| self.outputs.get(output))
            .is_some_and(|output| output.enabled)
    }

    pub(super) const fn is_silent(&self) -> bool {
        self.silent
    }

    /// Has the device wait for the answer to `query`.
    pub(super) fn wait(&mut self, query: Query, now: Instant) {
        let known = self.waiting.iter().any(|(waiting, _)| *waiting == query);
        if !known && let Some(end) = now.checked_add(self.patience) {
            self.waiting.push((query, end));
        }
    }

    /// When the first wait ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|(_, end)| *end).min()
    }

    /// Ends the waits whose time has come.
    pub(super) fn expire(&mut self, now: Instant, events: &mut impl Extend<Event>) {
        let (late, waiting) = self.waiting.drain(..).partition(|(_, end)| *end <= now);
        self.waiting = waiting;
        let late: Vec<(Query, Instant)> = late;
        if !late.is_empty() {
            log::warn!(
                "the front end is silent on its display socket, going on without its answer"
            );
            self.silent = true;
            self.patience = PATIENCE;
        }
        events.extend(late.into_iter().map(|(query, _)| Event::Answered(query)));
    }

    /// Ends all waits: there is nobody who could answer.
    pub(super) fn give_up(&mut self, events: &mut impl Extend<Event>) {
        let given_up = self.waiting.drain(..);
        events.extend(given_up.map(|(query, _)| Event::Answered(query)));
        self.silent = false;
    }

    /// Forgets what only the previous front end's socket could vouch for.
    pub(super) fn forget_edids(&mut self) {
        self.edids = [const { None }; MAX_OUTPUTS];
    }

    /// Learns from an answer. One that makes no sense teaches nothing, but is an answer.
    pub(super) fn learn(&mut self, answer: &Answer, events: &mut impl Extend<Event>) {
        self.silent = false;
        let query = match answer.question {
            Question::Features => return,
            Question::Outputs => {
                self.patience = PATIENCE;
                if let Some(outputs) = parse_outputs(&answer.payload)
                    && outputs != self.outputs
                {
                    self.outputs = outputs;
                    events.extend([Event::OutputsChanged]);
                }
                Query::Outputs
            }
            Question::Edid(output) => {
                let slot = usize::try_from(output)
                    .ok()
                    .and_then(|output| self.edids.get_mut(output));
                if let Some(slot) = slot {
                    *slot = parse_edid(&answer.payload);
                }
                Query::Edid { output }
            }
        };
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, _)| *waiting != query);
        if self.waiting.len() != before {
            events.extend([Event::Answered(query)]);
        }
    }
}
