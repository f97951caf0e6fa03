//! What the front end is asked, and when.
//!
//! Each socket begins with the greeting: which features the front end has, and then which outputs. A guest may ask for
//! an EDID meanwhile; that waits, as the sizes that a display makes up would be the ones that Linux keeps.

use std::time::Instant;

use gpu_display::{Freshness, Query};

use super::client::{Client, Question};
use super::knowledge::Stage;
use super::surfaces::bytes;
use super::wire::{FEATURE_DMABUF2, FEATURE_EDID, MAX_OUTPUTS, Request, parse_features};
use super::{Greeting, RemoteDisplay, SharedPictures};
use crate::Error;

impl RemoteDisplay {
    /// Takes the answers that have come, and asks what they make possible to ask.
    pub(super) fn receive_answers(&mut self, client: &mut Client) -> Result<(), Error> {
        for answer in client.receive()? {
            let is_overdue = self.greeting == Greeting::Overdue || self.knowledge.is_silent();
            self.knowledge.learn(&answer, &mut self.events);
            if answer.question == Question::Features {
                let offered = parse_features(&answer.payload).unwrap_or(0);
                let used = offered & self.useful_features();
                self.edid_offered = used & FEATURE_EDID != 0;
                self.modifiers_offered = used & FEATURE_DMABUF2 != 0;
                self.decide();
                self.greeting = Greeting::Unneeded;
                if is_overdue && self.modifiers_offered {
                    // Some were refused meanwhile, and are not offered again by themselves.
                    self.redraw_scanouts();
                }
                log::debug!("the front end's display offers features {offered:#x}");
                client.message(Request::SetProtocolFeatures, &used, 0);
                client.ask(Question::Outputs);
            }
        }
        if !self.is_greeting(client) {
            self.ask_held(client);
        }
        Ok(())
    }

    fn useful_features(&self) -> u64 {
        match self.shared_pictures {
            SharedPictures::No => FEATURE_EDID,
            SharedPictures::Yes => FEATURE_EDID | FEATURE_DMABUF2,
        }
    }

    /// Whether it is still open on this socket if the front end has EDIDs, and which outputs there are.
    fn is_greeting(&self, client: &Client) -> bool {
        client.is_asked(Question::Features) || !self.knowledge.has_outputs()
    }

    /// Whether the front end can be asked for an EDID. QEMU never answers for an output that it does not have.
    fn has_edid(&self, output: u32) -> bool {
        self.edid_offered && self.knowledge.is_enabled(output)
    }

    /// Asks what could not be asked during the greeting, and ends the wait where there is nothing to ask.
    fn ask_held(&mut self, client: &mut Client) {
        for query in self.knowledge.release_held() {
            match query {
                Query::Edid { output } if self.has_edid(output) => {
                    client.ask(Question::Edid(output));
                }
                _ => self.knowledge.finish(query, &mut self.events),
            }
        }
    }

    /// Asks the front end, or holds the question until it is known whether it can be asked.
    pub(super) fn ask(&mut self, client: &mut Client, query: Query) -> Freshness {
        let silent = self.knowledge.is_silent();
        let stage = match query {
            Query::Outputs => {
                // While the front end is silent, this is how it can show that it is back.
                if !client.is_asked(Question::Outputs) {
                    client.ask(Question::Outputs);
                }
                Stage::Asked
            }
            Query::Edid { .. } if silent => return Freshness::Current,
            Query::Edid { output } if bytes(output) >= MAX_OUTPUTS => return Freshness::Current,
            Query::Edid { .. } if self.is_greeting(client) => Stage::Held,
            Query::Edid { output } if self.has_edid(output) => {
                if !client.is_asked(Question::Edid(output)) {
                    client.ask(Question::Edid(output));
                }
                Stage::Asked
            }
            Query::Edid { .. } => return Freshness::Current,
        };
        if silent {
            return Freshness::Current;
        }
        self.knowledge.wait(query, stage, Instant::now());
        Freshness::Pending
    }
}
