//! Those who ask, from the server's side, and who of them has to make room.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use msg_socket::{Peer, Responder};

use crate::{Request, Response};

/// Somebody who asks.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) responder: Responder<Request, Response>,
    pub(crate) peer: Peer,
    /// Its questions whose answers come later.
    pub(crate) waiting: usize,
    /// When it last asked or was answered, or connected.
    pub(crate) active: Instant,
}

/// All of them, by names that are never used again.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    clients: HashMap<u64, Client>,
    last: u64,
}

impl Clients {
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn get(&self, name: u64) -> Option<&Client> {
        self.clients.get(&name)
    }

    pub(crate) fn get_mut(&mut self, name: u64) -> Option<&mut Client> {
        self.clients.get_mut(&name)
    }

    /// The name of the next that is added.
    pub(crate) fn next_name(&self) -> u64 {
        self.last.wrapping_add(1)
    }

    pub(crate) fn add(&mut self, client: Client) {
        self.last = self.next_name();
        self.clients.insert(self.last, client);
    }

    pub(crate) fn remove(&mut self, name: u64) -> Option<Client> {
        self.clients.remove(&name)
    }

    /// Who has been quiet for the longest, and for `idle` at least, and waits for nothing.
    pub(crate) fn longest_idle(&self, idle: Duration, now: Instant) -> Option<u64> {
        let is_idle = |client: &Client| {
            client.waiting == 0 && now.saturating_duration_since(client.active) >= idle
        };
        let quiet = self.clients.iter().filter(|(_, client)| is_idle(client));
        let longest = quiet.min_by_key(|(name, client)| (client.active, **name));
        longest.map(|(name, _)| *name)
    }
}
