//! What can go wrong in the daemon, from its start to the end of a session.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::libc;
use vhost::vhost_user::message::FrontendReq;

/// Why the daemon could not start, ended, or refused a message of the front end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another program listens on the socket path.
    #[error("{} is in use: another program listens there", path.display())]
    SocketInUse {
        /// The path.
        path: PathBuf,
    },
    /// The socket path names something that is not a socket.
    #[error("{} exists and is not a socket", path.display())]
    SocketPathTaken {
        /// The path.
        path: PathBuf,
    },
    /// The socket path does not fit the kernel's 108 bytes, its final zero included.
    #[error("the socket path has {length} bytes, at most 107 are possible")]
    SocketPathTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The socket could not be created.
    #[error("cannot create the socket {}", path.display())]
    Bind {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The inherited descriptor is not an open Unix stream socket.
    #[error("descriptor {fd} is not an open Unix stream socket")]
    NotASocket {
        /// Its number.
        fd: i32,
    },
    /// A system call failed.
    #[error("{call} failed")]
    System {
        /// The call.
        call: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The display could not be set up.
    #[error("cannot set up the display")]
    Display(#[source] gpu_display::DisplayError),
    /// The program was built without this kind of display.
    #[error("this program was built without `{feature}`")]
    DisplayNotBuilt {
        /// The feature of the crate.
        feature: &'static str,
    },
    /// Nobody could ask for the guest's resources.
    #[error("cannot let others ask for resources at {}", path.display())]
    Bridge {
        /// Where they would ask.
        path: PathBuf,
        /// Why not.
        source: resource_bridge::Error,
    },
    /// The device could not be set up, or refused what the front end asked.
    #[error("the device refused")]
    Device(#[source] virtio_gpu::DeviceError),
    /// The guest was to have 3D, which cannot be had.
    #[error("the guest cannot have 3D")]
    Renderer(#[source] gpu_renderer::RenderError),
    /// The vhost-user connection failed.
    #[error("the vhost-user connection failed")]
    Connection(#[source] msg_socket::Error),

    /// The front end broke the rules of the display socket.
    #[error("the display socket of the front end: {problem}")]
    DisplayProtocol {
        /// What it did.
        problem: &'static str,
    },

    /// A message header has a version other than 1, or is marked as a reply.
    #[error("request {request} has flags {flags:#x}: not a request of version 1")]
    MessageFlags {
        /// The request number.
        request: u32,
        /// Its flags.
        flags: u32,
    },
    /// A message announces more payload than any message has.
    #[error("request {request} announces {size} bytes of payload, at most 4096 are possible")]
    MessageTooLarge {
        /// The request number.
        request: u32,
        /// The announced bytes.
        size: u32,
    },
    /// The front end has sent a part of a message, and for too long nothing more.
    #[error("the front end stopped in the middle of a message and sent nothing for {patience:?}")]
    MessageUnfinished {
        /// How long it was waited for.
        patience: Duration,
    },
    /// The front end has left its socket full of replies for too long.
    #[error("the front end has read none of the replies that wait for it for {patience:?}")]
    RepliesUnread {
        /// How long it was waited for.
        patience: Duration,
    },
    /// The renderer has not let go of the guest's memory. What it is doing cannot be stopped but with the process.
    #[error(
        "the renderer has not come to rest for {patience:?}: the guest's memory cannot be given back"
    )]
    RendererStuck {
        /// How long it was waited for.
        patience: Duration,
    },
    /// A request that needs an answer of its own could not be answered.
    #[error("{request:?} cannot be answered")]
    Unanswerable {
        /// The request.
        request: FrontendReq,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// The front end turned on protocol features that were not offered.
    #[error("the front end turned on protocol features {features:#x}, offered are {offered:#x}")]
    ProtocolFeatures {
        /// What it turned on.
        features: u64,
        /// What was offered.
        offered: u64,
    },

    /// The request is unknown or not offered.
    #[error("request {request} is not supported")]
    UnknownRequest {
        /// Its number.
        request: u32,
    },
    /// The payload does not have the size that the request needs.
    #[error("{request:?} has {size} bytes of payload, which is wrong for it")]
    PayloadSize {
        /// The request.
        request: FrontendReq,
        /// The bytes it came with.
        size: usize,
    },
    /// A field of the payload has a value outside its range.
    #[error("{request:?} has a bad {field}: {value:#x}")]
    Field {
        /// The request.
        request: FrontendReq,
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// The request came with the wrong number of descriptors.
    #[error("{request:?} came with {received} descriptors instead of {expected}")]
    Descriptors {
        /// The request.
        request: FrontendReq,
        /// How many it needs.
        expected: usize,
        /// How many came.
        received: usize,
    },
    /// Descriptors of the message were lost: too many came, or too many files are open.
    #[error("{request:?} lost descriptors on the way")]
    DescriptorsLost {
        /// The request.
        request: FrontendReq,
    },
    /// A descriptor cannot be what the request says it is.
    #[error("the descriptor of {request:?} is unusable")]
    UnusableDescriptor {
        /// The request.
        request: FrontendReq,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The request changes a ring that runs.
    #[error("{request:?} came while ring {index} runs")]
    RingRuns {
        /// The request.
        request: FrontendReq,
        /// The ring.
        index: u16,
    },
    /// The ring cannot start: it was not fully described, or its memory is gone.
    #[error("ring {index} cannot start: {missing}")]
    RingIncomplete {
        /// The ring.
        index: u16,
        /// What it lacks.
        missing: &'static str,
    },
    /// A ring address of the front end's address space lies in no memory region.
    #[error("address {address:#x} of the front end lies in no memory region")]
    AddressOutsideMemory {
        /// The address in the front end's own address space.
        address: u64,
    },
    /// The memory table would not make sense.
    #[error("memory region at guest address {guest_address:#x}, {size:#x} bytes: {problem}")]
    MemoryRegion {
        /// Guest-physical address.
        guest_address: u64,
        /// Bytes.
        size: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A memory region cannot be mapped.
    #[error("memory region at guest address {guest_address:#x} cannot be mapped")]
    MapMemory {
        /// Guest-physical address.
        guest_address: u64,
        /// Why.
        #[source]
        source: vm_memory::mmap::MmapRegionError,
    },
    /// All memory slots are taken.
    #[error("all {slots} memory slots are taken")]
    MemorySlots {
        /// How many there are.
        slots: usize,
    },
}

impl Error {
    /// The error of a failed system call.
    pub(crate) fn system(call: &'static str, errno: nix::errno::Errno) -> Self {
        Self::System {
            call,
            source: errno.into(),
        }
    }

    /// Whether the session cannot go on after this: the two sides no longer agree about what was said.
    ///
    /// All other errors of a message only refuse that message.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        matches!(
            self,
            Self::Connection(_)
                | Self::MessageFlags { .. }
                | Self::MessageTooLarge { .. }
                | Self::MessageUnfinished { .. }
                | Self::RepliesUnread { .. }
                | Self::RendererStuck { .. }
                | Self::Unanswerable { .. }
                | Self::ProtocolFeatures { .. }
                | Self::System { .. }
        )
    }

    /// Whether the system has refused for want of descriptors or memory, so that it may grant the same later.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        std::iter::successors(std::error::Error::source(self), |error| error.source())
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(is_shortage)
    }

    /// What the user may do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            _ if self.is_shortage() => {
                Some("raise the limits of the process (`ulimit -n`, `ulimit -v`) or free memory")
            }
            Self::SocketInUse { .. } => Some("end the other program or choose another path"),
            Self::SocketPathTaken { .. } => Some("choose another path"),
            Self::SocketPathTooLong { .. } => Some("choose a shorter path"),
            Self::Bind { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Some("create the directory first"),
                io::ErrorKind::PermissionDenied => Some("choose a directory that you may write to"),
                _ => None,
            },
            Self::NotASocket { .. } => {
                Some("pass the number of an inherited, connected or listening Unix stream socket")
            }
            Self::MessageUnfinished { .. } | Self::RepliesUnread { .. } => {
                Some("the front end is stuck or stopped: see what it is doing, or start it again")
            }
            Self::RendererStuck { .. } => Some(
                "the guest asked for more than the host can draw in time; `--renderer none` offers it no 3D",
            ),
            Self::Renderer(gpu_renderer::RenderError::Unavailable { hint, .. }) => {
                hint.as_deref().or(Some(
                    "`--renderer auto` goes on without 3D, `--renderer none` does not try",
                ))
            }
            Self::Display(_) | Self::DisplayNotBuilt { .. } => {
                Some("see --display in `vhost-user-gpu --help`")
            }
            _ => None,
        }
    }

    /// The error and its causes on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        chain_of(self)
    }
}

/// An error and its causes on one line.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": caused by ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS | libc::ENOSPC)
    )
}
