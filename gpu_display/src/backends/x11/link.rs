//! A connection to the X server: what it says goes to the state. Nothing waits.

use super::address::Address;
use super::client::{Barrier, Client, Expect, Message};
use super::extensions::Extension;
use super::server::{Server, Way};
use super::state::State;
use super::wire::Flow;
use crate::DisplayError;

/// Bytes are received so often in one turn, 16 KiB at a time.
const RECEPTIONS_PER_TURN: usize = 4;

/// MIT-SHM's requests with descriptors and for pixmaps.
const SHM_CREATE_PIXMAP: u16 = 5;

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    /// Once it has greeted.
    pub(super) server: Option<Server>,
    /// Whether all is known, so that there are windows.
    pub(super) is_online: bool,
    /// What an event told to be wrong: the connection is of no use.
    pub(super) trouble: Option<DisplayError>,
}

impl Link {
    /// Begins to connect.
    ///
    /// # Errors
    /// [`DisplayError::Connect`], [`DisplayError::Lost`].
    pub(super) fn new(address: &Address) -> Result<Self, DisplayError> {
        let mut client = Client::new(address.dial()?);
        client.flush()?;
        Ok(Self {
            client,
            server: None,
            is_online: false,
            trouble: None,
        })
    }
}

impl State {
    /// Takes in what the server has sent, within bounds, and sends what that led to. While it does not
    /// read nothing is taken in.
    ///
    /// # Errors
    /// [`DisplayError::Lost`], [`DisplayError::Protocol`], [`DisplayError::MissingInterface`].
    pub(super) fn exchange(&mut self, address: &Address) -> Result<(), DisplayError> {
        for _ in 0..RECEPTIONS_PER_TURN {
            let Some(link) = &mut self.link else {
                return Ok(());
            };
            if link.client.flush()? == Flow::Jammed || !link.client.receive()? {
                return Ok(());
            }
            self.take_messages(address)?;
        }
        Ok(())
    }

    fn take_messages(&mut self, address: &Address) -> Result<(), DisplayError> {
        loop {
            let Some(link) = &mut self.link else {
                return Ok(());
            };
            if let Some(trouble) = link.trouble.take() {
                return Err(trouble);
            }
            match link.client.next_message()? {
                None => return link.client.flush().map(drop),
                Some(Message::Welcome(setup)) => {
                    let server = Server::new(&setup, address, &mut link.client)?;
                    link.server = Some(server);
                }
                Some(Message::Reply(Expect::Done(barrier), _)) => self.pass(barrier),
                Some(Message::Reply(expect, reply)) => self.learn(expect, Some(&reply)),
                Some(Message::Failed(expect)) => self.learn(expect, None),
                Some(Message::Error {
                    request,
                    code,
                    major,
                    minor,
                }) => {
                    if !self.is_refusal(request, code) {
                        self.degrade(code, major, minor);
                    }
                }
                Some(Message::Event(event)) => self.take_event(&event),
            }
        }
    }

    /// Takes in an answer about the server.
    fn learn(&mut self, expect: Expect, reply: Option<&[u8]>) {
        let Some(link) = &mut self.link else {
            return;
        };
        let Some(server) = &mut link.server else {
            return;
        };
        if server.learn(expect, reply, &mut link.client) && !link.is_online {
            link.is_online = true;
            log::debug!("pictures go to the X server by {:?}", server.way);
            self.come_online();
        }
    }

    /// All before a barrier is done.
    fn pass(&mut self, barrier: Barrier) {
        match barrier {
            Barrier::Count => {}
            Barrier::Frame { output } => self.frame_is_shown(output),
            Barrier::Cursor { output } => self.cursor_is_shown(output),
            Barrier::Import { output, request } => {
                if let Some(window) = self.windows.get_mut(&output) {
                    window.content.imports.take(request);
                }
                self.wake(output);
            }
        }
    }

    /// Whether a request that went wrong is one for a dma-buf: others of its shape are not offered then,
    /// unless it only lacked memory.
    fn is_refusal(&mut self, request: u64, code: u8) -> bool {
        let Some(server) = self.link.as_mut().and_then(|link| link.server.as_mut()) else {
            return false;
        };
        let mut windows = self.windows.iter_mut();
        let refused = windows.find_map(|(output, window)| {
            let imports = &mut window.content.imports;
            imports
                .refuse(request, code, &mut server.kinds)
                .then_some(*output)
        });
        let Some(output) = refused else {
            return false;
        };
        log::info!("the X server refused a dma-buf: error {code}");
        self.wake(output);
        true
    }

    /// A request went wrong. Where it was one for showing pictures, another way is taken from now on.
    fn degrade(&mut self, code: u8, major: u8, minor: u16) {
        let Some(link) = &mut self.link else {
            return;
        };
        let Some(server) = &mut link.server else {
            return;
        };
        let is = |extension| link.client.extensions.opcode(extension) == Some(major);
        let fallback = match server.way {
            Way::Present if is(Extension::Present) || is(Extension::Fixes) => Way::Shared,
            Way::Present if is(Extension::Shm) && minor == SHM_CREATE_PIXMAP => Way::Shared,
            Way::Present | Way::Shared if is(Extension::Shm) => Way::Plain,
            way => way,
        };
        let presents_dma_bufs = !server.kinds.is_empty();
        if presents_dma_bufs && (is(Extension::Present) || is(Extension::Fixes)) {
            server.kinds.clear();
        } else if fallback == server.way {
            log::debug!("X error {code} of request {major}.{minor}");
            return;
        }
        log::warn!("X error {code} of request {major}.{minor}: pictures go by {fallback:?} now");
        server.way = fallback;
        self.start_over();
    }
}
