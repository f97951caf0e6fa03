//! What is known of the front end's outputs, and which questions about them are open.

use std::time::{Duration, Instant};

use gpu_display::{Event, Mode, Output, Query};

use super::client::{Answer, Question};
use super::wire::{MAX_OUTPUTS, UNPLUGGED, parse_edid, parse_outputs};

/// How long the device waits for an answer before it goes on with what it knows.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

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

/// A query that the device waits for.
#[derive(Clone, Copy, Debug)]
struct Wait {
    query: Query,
    /// Until when.
    end: Instant,
    stage: Stage,
}

/// How far the answer to a query has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is not known yet whether and for which outputs the front end can be asked.
    Held,
    /// The front end was asked.
    Asked,
}

/// Outputs, their EDIDs, and the open questions.
#[derive(Debug)]
pub(super) struct Knowledge {
    pub(super) outputs: [Output; MAX_OUTPUTS],
    /// Whether the outputs were answered on the socket in use.
    has_outputs: bool,
    edids: [Option<Vec<u8>>; MAX_OUTPUTS],
    waiting: Vec<Wait>,
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
            has_outputs: false,
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

    /// Whether the front end has said on this socket which outputs there are.
    pub(super) const fn has_outputs(&self) -> bool {
        self.has_outputs
    }

    /// Has the device wait for the answer to `query`.
    pub(super) fn wait(&mut self, query: Query, stage: Stage, now: Instant) {
        let known = self.waiting.iter().any(|wait| wait.query == query);
        if !known && let Some(end) = now.checked_add(self.patience) {
            self.waiting.push(Wait { query, end, stage });
        }
    }

    /// The queries that are held: all of them count as asked from now on.
    pub(super) fn release_held(&mut self) -> Vec<Query> {
        let held = self.waiting.iter_mut().filter_map(|wait| {
            let held = std::mem::replace(&mut wait.stage, Stage::Asked) == Stage::Held;
            held.then_some(wait.query)
        });
        held.collect()
    }

    /// Ends the wait for `query`, if there is one.
    pub(super) fn finish(&mut self, query: Query, events: &mut impl Extend<Event>) {
        let before = self.waiting.len();
        self.waiting.retain(|wait| wait.query != query);
        if self.waiting.len() != before {
            events.extend([Event::Answered(query)]);
        }
    }

    /// When the first wait ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|wait| wait.end).min()
    }

    /// Ends the waits whose time has come.
    pub(super) fn expire(&mut self, now: Instant, events: &mut impl Extend<Event>) {
        let late: Vec<Wait> = self
            .waiting
            .extract_if(.., |wait| wait.end <= now)
            .collect();
        if !late.is_empty() {
            log::warn!(
                "the front end is silent on its display socket, going on without its answer"
            );
            self.silent = true;
            self.patience = PATIENCE;
        }
        events.extend(late.into_iter().map(|wait| Event::Answered(wait.query)));
    }

    /// Ends all waits: there is nobody who could answer.
    pub(super) fn give_up(&mut self, events: &mut impl Extend<Event>) {
        let given_up = self.waiting.drain(..);
        events.extend(given_up.map(|wait| Event::Answered(wait.query)));
        self.silent = false;
    }

    /// Forgets what only the previous front end's socket could vouch for. Its outputs are shown until the next answer.
    pub(super) fn forget_answers(&mut self) {
        self.edids = [const { None }; MAX_OUTPUTS];
        self.has_outputs = false;
    }

    /// Learns from an answer. One that makes no sense teaches nothing, but is an answer.
    pub(super) fn learn(&mut self, answer: &Answer, events: &mut impl Extend<Event>) {
        self.silent = false;
        let query = match answer.question {
            Question::Features | Question::Frame(_) => return,
            Question::Outputs => {
                self.patience = PATIENCE;
                self.has_outputs = true;
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
        self.finish(query, events);
    }
}
