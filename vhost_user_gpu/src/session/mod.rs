//! The vhost-user side of the device: what the front end asks, in the order in which it asks.
//!
//! The event loop hands each whole message to [`Session::handle`], sends the reply it returns, and calls
//! [`Session::run_turn`] when rings or the display have work. Nothing here waits for anything.
//!
//! The front end is trusted with the guest's memory, not with good manners: every field is checked, and what is
//! refused leaves everything as it was.

mod backend_channel;
pub(crate) mod connection;
mod memory;
pub(crate) mod message;
mod negotiation;
mod rest;
mod resume;
mod rings;
pub(crate) mod stall;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gpu_display::Display;
use nix::sys::stat::{SFlag, fstat};
use vhost::vhost_user::message::FrontendReq;
use virtio_gpu::throttle::Throttle;
use virtio_gpu::{Device, QueueIndex, Turn};
use vm_memory::GuestMemoryMmap;

use self::backend_channel::BackendChannel;
use self::message::{Message, encode_reply};
use self::rest::Postponed;
use crate::Error;
use crate::memory::MemoryTable;
use crate::poller::{Poller, Token};
use crate::remote_display::FrontEndSocket;
use crate::vring::Vring;

/// Index of the control queue's ring.
const CONTROL: u16 = 0;

/// Index of the cursor queue's ring.
const CURSOR: u16 = 1;

/// One front end's use of the device.
#[derive(Debug)]
pub(crate) struct Session<D> {
    device: Device<D>,
    poller: Poller,
    memory: MemoryTable,
    control: Vring,
    cursor: Vring,
    /// The virtio features last acknowledged, as the front end sent them.
    features: u64,
    /// Why the rings may not start, if so: the guest was promised features that the device does not have.
    features_refused: bool,
    protocol_features: u64,
    /// The front end says when the guest resets the device.
    tells_resets: bool,
    throttle: Throttle,
    /// The display used up its turn and has more to do.
    display_pending: bool,
    /// The renderer has finished something that was not looked at.
    renderer_pending: bool,
    /// The message that waits until the renderer is at rest.
    postponed: Option<Postponed>,
    /// How long it may wait.
    renderer_patience: Duration,
    /// The display socket of a front end whose help the display does not need.
    unused_gpu_socket: Option<OwnedFd>,
    /// Whether the front end has a display socket: then it tells its guest of changed screens by itself, and refuses
    /// to be told.
    gpu_socket_given: bool,
    /// Where the device speaks first, if the front end listens.
    backend_channel: Option<BackendChannel>,
}

/// What a request is answered with.
enum Answer {
    /// Nothing but the acknowledgement that any request can ask for.
    Done,
    /// This payload.
    Payload(Vec<u8>),
}

impl<D: Display + FrontEndSocket> Session<D> {
    /// A session in which nothing was said yet. The renderer has `renderer_patience` to come to rest.
    #[must_use]
    pub(crate) fn new(device: Device<D>, poller: Poller, renderer_patience: Duration) -> Self {
        Self {
            device,
            poller,
            memory: MemoryTable::default(),
            control: Vring::new(CONTROL, QueueIndex::Control),
            cursor: Vring::new(CURSOR, QueueIndex::Cursor),
            features: 0,
            features_refused: false,
            protocol_features: 0,
            tells_resets: false,
            throttle: Throttle::default(),
            display_pending: false,
            renderer_pending: false,
            postponed: None,
            renderer_patience,
            unused_gpu_socket: None,
            gpu_socket_given: false,
            backend_channel: None,
        }
    }

    /// Says what the renderer was needed for, where there is one.
    pub(crate) fn log_rendering(&self) {
        let backend = self.device.backend();
        if backend.renderer().is_some() {
            let done = backend.render_statistics();
            log::info!(
                "renderer: {} promotions, {} read-backs, {} bytes read back, {} frames shared",
                done.promotions,
                done.reads,
                done.read_bytes,
                done.shared_frames
            );
        }
    }

    /// Says what the guest's frames have cost, way by way.
    pub(crate) fn log_frames(&self) {
        for (way, frames) in self.device.backend().frame_statistics().ways() {
            if frames.taken > 0 {
                let bytes = frames.bytes_per_frame();
                log::info!(
                    "frames of {way}: {}, {bytes} bytes copied for each",
                    frames.taken
                );
            }
        }
    }

    /// The device for another front end: as new, without anything of this one.
    pub(crate) fn into_new_device(self) -> Device<D> {
        let mut device = self.device;
        device.reset();
        device.set_memory(Arc::new(GuestMemoryMmap::new()));
        device.display_mut().drop_gpu_socket();
        device
    }

    /// The device.
    pub(crate) const fn device(&self) -> &Device<D> {
        &self.device
    }

    /// The device, for those who ask for its resources.
    pub(crate) const fn device_mut(&mut self) -> &mut Device<D> {
        &mut self.device
    }

    /// Carries out one request and returns the bytes to send back, if any.
    ///
    /// # Errors
    ///
    /// Only what ends the session ([`Error::ends_session`]); what is merely refused is logged and, where the front end
    /// asked for an acknowledgement, answered with a failure.
    fn carry_out(&mut self, message: Message) -> Result<Option<Vec<u8>>, Error> {
        let number = message.header.request;
        let needs_reply = message.needs_reply();
        let answer = match FrontendReq::try_from(number) {
            Ok(request) => {
                log::debug!("{request:?}, {} bytes", message.payload.len());
                let answer = self.dispatch(request, message);
                self.heed_enabled();
                match answer {
                    Err(source) if has_own_answer(request) && !source.ends_session() => {
                        Err(Error::Unanswerable {
                            request,
                            source: Box::new(source),
                        })
                    }
                    answer => answer,
                }
            }
            Err(()) => Err(Error::UnknownRequest { request: number }),
        };
        let acknowledges = needs_reply && self.acknowledges();
        match answer {
            Ok(Answer::Payload(payload)) => Ok(Some(encode_reply(number, &payload))),
            Ok(Answer::Done) => {
                Ok(acknowledges.then(|| encode_reply(number, &0_u64.to_ne_bytes())))
            }
            Err(error) if error.ends_session() => Err(error),
            Err(error) => {
                if self.throttle.allows("refused", Instant::now()) {
                    log::warn!("refused: {}", error.chain());
                }
                Ok(acknowledges.then(|| encode_reply(number, &1_u64.to_ne_bytes())))
            }
        }
    }

    fn dispatch(&mut self, request: FrontendReq, mut message: Message) -> Result<Answer, Error> {
        match request {
            FrontendReq::SET_MEM_TABLE => self.set_memory_table(message),
            FrontendReq::ADD_MEM_REG => self.add_memory_region(message),
            FrontendReq::REM_MEM_REG => self.remove_memory_region(message),
            FrontendReq::SET_VRING_KICK => self.set_kick(message),
            FrontendReq::SET_VRING_CALL => self.set_call(message),
            FrontendReq::SET_VRING_ERR => self.set_error(message),
            FrontendReq::GPU_SET_SOCKET => self.set_gpu_socket(message),
            FrontendReq::SET_BACKEND_REQ_FD => self.set_backend_channel(message),
            _ => {
                message.take_descriptors(request, 0)?;
                self.dispatch_plain(request, &message)
            }
        }
    }

    /// The requests that bring no descriptor.
    fn dispatch_plain(&mut self, request: FrontendReq, message: &Message) -> Result<Answer, Error> {
        match request {
            FrontendReq::GET_FEATURES => self.get_features(message),
            FrontendReq::SET_FEATURES => self.set_features(message),
            FrontendReq::GET_PROTOCOL_FEATURES => self.get_protocol_features(message),
            FrontendReq::SET_PROTOCOL_FEATURES => self.set_protocol_features(message),
            FrontendReq::SET_OWNER => message.no_payload(request).map(|()| Answer::Done),
            FrontendReq::RESET_OWNER => self.reset_owner(message),
            FrontendReq::RESET_DEVICE => self.reset_device(message),
            FrontendReq::GET_QUEUE_NUM => self.get_queue_number(message),
            FrontendReq::GET_MAX_MEM_SLOTS => self.get_max_memory_slots(message),
            FrontendReq::GET_CONFIG => self.get_config(message),
            FrontendReq::SET_CONFIG => self.set_config(message),
            FrontendReq::SET_VRING_NUM => self.set_ring_size(message),
            FrontendReq::SET_VRING_ADDR => self.set_ring_addresses(message),
            FrontendReq::SET_VRING_BASE => self.set_ring_base(message),
            FrontendReq::GET_VRING_BASE => self.get_ring_base(message),
            FrontendReq::SET_VRING_ENABLE => self.set_ring_enabled(message),
            other => Err(Error::UnknownRequest {
                request: other.into(),
            }),
        }
    }

    fn set_gpu_socket(&mut self, message: Message) -> Result<Answer, Error> {
        let socket = take_socket(FrontendReq::GPU_SET_SOCKET, message)?;
        self.gpu_socket_given = true;
        // Closing it would leave QEMU spinning on the other end.
        self.unused_gpu_socket = self.device.display_mut().set_gpu_socket(socket);
        self.display_pending = true;
        Ok(Answer::Done)
    }

    fn set_backend_channel(&mut self, message: Message) -> Result<Answer, Error> {
        let socket = take_socket(FrontendReq::SET_BACKEND_REQ_FD, message)?;
        self.backend_channel = Some(BackendChannel::new(socket));
        Ok(Answer::Done)
    }

    /// Has the next turn look at what was reported.
    pub(crate) fn is_due(&mut self, what: Token) {
        match what {
            Token::Kick(index) => {
                if let Some(ring) = self.ring_mut(index) {
                    ring.take_kick();
                }
            }
            Token::Display => self.display_pending = true,
            Token::Renderer => self.renderer_pending = true,
            Token::Bridge | Token::Listener | Token::Session | Token::Signal => {}
        }
    }

    /// Whether [`Session::run_turn`] has something to do now.
    pub(crate) fn has_work(&self) -> bool {
        self.display_pending
            || self.renderer_pending
            || self.control.has_work()
            || self.cursor.has_work()
    }

    /// When something is to be done even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.device.deadline(), self.end_of_patience()];
        deadlines.into_iter().flatten().min()
    }

    /// Gives both rings, the renderer and the display one bounded turn, if they have something to do. The cursor's ring
    /// comes first and is answered at once, so that its commands wait for no more than what is being done when they
    /// come.
    pub(crate) fn run_turn(&mut self) {
        // Asked for the time last, as a deadline may be the moment in which it is asked for.
        if self
            .device
            .deadline()
            .is_some_and(|due| due <= Instant::now())
        {
            self.display_pending = true;
            self.renderer_pending = true;
        }
        for index in [CURSOR, CONTROL] {
            self.serve_ring(index);
        }
        if std::mem::take(&mut self.renderer_pending) {
            let done = self.device.dispatch_renderer(Instant::now());
            self.display_pending |= done.more;
            self.notify(done);
        }
        if self.display_pending {
            let done = self.device.dispatch_display(Instant::now());
            self.display_pending = done.more;
            self.notify(done);
        }
        for ring in [&mut self.control, &mut self.cursor] {
            if self.device.queue_failed(ring.queue) {
                ring.tell_failure();
            }
        }
    }

    fn serve_ring(&mut self, index: u16) {
        let Some(ring) = self.ring_mut(index).filter(|ring| ring.has_work()) else {
            return;
        };
        let queue = ring.queue;
        let done = self.device.process_queue(queue, Instant::now());
        if let Some(ring) = self.ring_mut(index) {
            ring.set_pending(done.more);
        }
        self.notify(done);
    }

    /// Raises the interrupts that `turn` asks for. That for the configuration is the front end's to raise.
    fn notify(&mut self, turn: Turn) {
        for ring in [&self.control, &self.cursor] {
            if turn.notify(ring.queue) {
                ring.notify();
            }
        }
        if turn.notify_config
            && !self.gpu_socket_given
            && let Some(channel) = &self.backend_channel
            && let Err(error) = channel.tell_config_changed()
        {
            log::warn!("the front end cannot be told of changed screens: {error}");
            self.backend_channel = None;
        }
    }

    fn ring_mut(&mut self, index: u16) -> Option<&mut Vring> {
        match index {
            CONTROL => Some(&mut self.control),
            CURSOR => Some(&mut self.cursor),
            _ => None,
        }
    }
}

/// The socket that a message without payload brings.
fn take_socket(request: FrontendReq, mut message: Message) -> Result<OwnedFd, Error> {
    let socket = message.take_descriptor(request)?;
    message.no_payload(request)?;
    let mode = fstat(&socket).map(|status| SFlag::from_bits_truncate(status.st_mode));
    if mode.map(|mode| mode & SFlag::S_IFMT) != Ok(SFlag::S_IFSOCK) {
        return Err(Error::UnusableDescriptor {
            request,
            source: nix::errno::Errno::ENOTSOCK.into(),
        });
    }
    Ok(socket)
}

/// Whether the front end waits for an answer to `request` whatever its flags say.
const fn has_own_answer(request: FrontendReq) -> bool {
    matches!(
        request,
        FrontendReq::GET_FEATURES
            | FrontendReq::GET_PROTOCOL_FEATURES
            | FrontendReq::GET_QUEUE_NUM
            | FrontendReq::GET_VRING_BASE
            | FrontendReq::GET_MAX_MEM_SLOTS
            | FrontendReq::GET_CONFIG
    )
}
