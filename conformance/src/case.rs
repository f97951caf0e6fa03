//! Cases: what a driver does, step by step, and what must come of each step.

use virtio_gpu::QueueIndex;
use virtio_gpu::testing::Piece;

use crate::exchange::Exchange;
use crate::picture::Picture;

/// One row, or a part of one, of the tables.
#[derive(Debug, Clone)]
pub struct Case {
    /// The row: a letter for the family, and a number.
    pub id: &'static str,
    /// What is tried, in a few words.
    pub why: String,
    /// Whether the input is legal.
    pub kind: Kind,
    /// What the driver does.
    pub steps: Vec<Step>,
    /// What the device must be like afterwards.
    pub aftermath: Aftermath,
}

/// Whether a driver may send what a case sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It may not, or would not.
    Hostile,
    /// It may, and it must work: the neighbour of something hostile.
    Legal,
}

/// What a case leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// The control queue goes on.
    Running,
    /// The control queue may have failed or be in disorder: it goes on after a reset.
    NeedsReset,
}

/// What a driver does, and what must come of it.
#[derive(Debug, Clone)]
pub enum Step {
    /// A request, and its answer.
    Exchange(Exchange),
    /// Something is written into a ring and the device is kicked.
    Ring {
        /// The ring.
        queue: QueueIndex,
        /// What is written.
        writes: Vec<RingWrite>,
        /// How it must end.
        expect: Expect,
    },
    /// A queue is set up with these values instead of the right ones, and must be refused.
    RefusedSetup {
        /// The queue.
        queue: QueueIndex,
        /// What is wrong.
        setup: SetupFault,
    },
    /// Bytes are written into guest memory.
    Write {
        /// Guest-physical address.
        address: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Guest memory holds these bytes.
    Holds {
        /// Guest-physical address.
        address: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A scanout shows this now; `None` if it is off.
    Shows {
        /// Number of the scanout.
        scanout: u32,
        /// The picture.
        picture: Option<Picture>,
    },
    /// A scanout has a cursor of this size now; `None` if it is hidden.
    Cursor {
        /// Number of the scanout.
        scanout: u32,
        /// Width and height of the image.
        size: Option<(u32, u32)>,
    },
    /// Steps that are done many times; they are made from the number of the round.
    Repeat {
        /// How many times.
        times: u32,
        /// The steps of a round.
        round: fn(u32) -> Vec<Step>,
    },
    /// Another processor of the guest writes to memory while steps are done.
    Beside {
        /// What it writes, over and over.
        writes: Vec<(u64, Vec<u8>)>,
        /// How often the steps are done meanwhile.
        times: u32,
        /// The steps.
        steps: Vec<Step>,
    },
    /// The driver resets the device and negotiates these features.
    Reset {
        /// Feature bits.
        features: u64,
    },
    /// The region of memory that stands on its own is taken away.
    Unplug,
    /// A queue is set up at another place, as well as ever.
    MovedSetup {
        /// The queue.
        queue: QueueIndex,
        /// Where its descriptors begin.
        base: u64,
    },
    /// From here on the display takes no frames.
    Freeze,
    /// The display takes frames again.
    Thaw,
}

/// A write into a ring.
#[derive(Debug, Clone, Copy)]
pub enum RingWrite {
    /// A descriptor.
    Descriptor {
        /// Its place in the table.
        index: u16,
        /// What it says.
        piece: Piece,
        /// The descriptor it names as the next.
        next: Option<u16>,
    },
    /// An entry of the available ring, with its index moved on.
    Available(u16),
    /// The available index is moved by so much and no entry is written.
    JumpAvailable(i16),
}

/// What is wrong with the setup of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupFault {
    /// The size.
    Size(u16),
    /// The address of the descriptor table.
    DescriptorTable(u64),
    /// The address of the available ring.
    AvailRing(u64),
    /// The address of the used ring.
    UsedRing(u64),
}

/// How a request may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is answered with a response of this type.
    Response(u32),
    /// It comes back with a used length of 0, or was never a request.
    Silent,
    /// It comes back, with whatever in it.
    Returned,
    /// Its queue fails.
    QueueFails,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Response(kind) => write!(f, "response {kind:#06x}"),
            Self::Silent => write!(f, "used length 0"),
            Self::Returned => write!(f, "a return"),
            Self::QueueFails => write!(f, "queue failure"),
        }
    }
}

/// The ways a request may end: one of these.
pub type Expect = &'static [Outcome];

/// RESP_OK_NODATA.
pub const OK: Expect = &[Outcome::Response(0x1100)];
/// RESP_OK_DISPLAY_INFO.
pub const DISPLAY_INFO: Expect = &[Outcome::Response(0x1101)];
/// RESP_OK_EDID.
pub const EDID: Expect = &[Outcome::Response(0x1104)];
/// RESP_OK_RESOURCE_UUID.
pub const UUID: Expect = &[Outcome::Response(0x1105)];
/// RESP_ERR_UNSPEC.
pub const UNSPEC: Expect = &[Outcome::Response(0x1200)];
/// RESP_ERR_OUT_OF_MEMORY.
pub const OOM: Expect = &[Outcome::Response(0x1201)];
/// RESP_ERR_INVALID_SCANOUT_ID.
pub const BADSCAN: Expect = &[Outcome::Response(0x1202)];
/// RESP_ERR_INVALID_RESOURCE_ID.
pub const BADRES: Expect = &[Outcome::Response(0x1203)];
/// RESP_OK_CAPSET_INFO.
pub const CAPSET_INFO: Expect = &[Outcome::Response(0x1102)];
/// RESP_OK_CAPSET.
pub const CAPSET: Expect = &[Outcome::Response(0x1103)];
/// RESP_ERR_INVALID_CONTEXT_ID.
pub const BADCTX: Expect = &[Outcome::Response(0x1204)];
/// RESP_ERR_INVALID_PARAMETER.
pub const BADPARAM: Expect = &[Outcome::Response(0x1205)];
/// Out of memory, or an invalid parameter.
pub const OOM_OR_BADPARAM: Expect = &[Outcome::Response(0x1201), Outcome::Response(0x1205)];
/// Unspecified, or an invalid parameter.
pub const UNSPEC_OR_BADPARAM: Expect = &[Outcome::Response(0x1200), Outcome::Response(0x1205)];
/// Unspecified, or an invalid resource.
pub const UNSPEC_OR_BADRES: Expect = &[Outcome::Response(0x1200), Outcome::Response(0x1203)];
/// Done, or an invalid parameter.
pub const OK_OR_BADPARAM: Expect = &[Outcome::Response(0x1100), Outcome::Response(0x1205)];
/// Any of the six errors.
pub const ANY_ERROR: Expect = &[
    Outcome::Response(0x1200),
    Outcome::Response(0x1201),
    Outcome::Response(0x1202),
    Outcome::Response(0x1203),
    Outcome::Response(0x1204),
    Outcome::Response(0x1205),
];
/// Done, or any of the six errors.
pub const OK_OR_ANY_ERROR: Expect = &[
    Outcome::Response(0x1100),
    Outcome::Response(0x1200),
    Outcome::Response(0x1201),
    Outcome::Response(0x1202),
    Outcome::Response(0x1203),
    Outcome::Response(0x1204),
    Outcome::Response(0x1205),
];
/// The request comes back with nothing written.
pub const SILENT: Expect = &[Outcome::Silent];
/// The queue fails, and only it.
pub const QUEUE_FAILS: Expect = &[Outcome::QueueFails];
/// The queue fails, or the request comes back with nothing written.
pub const QUEUE_FAILS_OR_SILENT: Expect = &[Outcome::QueueFails, Outcome::Silent];
/// The request comes back once, with whatever in it, or the queue fails.
pub const RETURNED: Expect = &[Outcome::Returned, Outcome::QueueFails];
/// Whatever, even no return: the driver broke its own ring, only the process counts.
pub const ANYTHING: Expect = &[];

impl Case {
    /// A case of hostile input.
    pub fn hostile(id: &'static str, why: impl Into<String>) -> Self {
        Self::new(id, why, Kind::Hostile)
    }

    /// A case of legal input.
    pub fn legal(id: &'static str, why: impl Into<String>) -> Self {
        Self::new(id, why, Kind::Legal)
    }

    fn new(id: &'static str, why: impl Into<String>, kind: Kind) -> Self {
        Self {
            id,
            why: why.into(),
            kind,
            steps: Vec::new(),
            aftermath: Aftermath::Running,
        }
    }

    /// Adds a request and how it must end.
    #[must_use]
    pub fn send(self, request: impl Into<Exchange>, expect: Expect) -> Self {
        let mut exchange = request.into();
        exchange.expect = expect;
        self.step(Step::Exchange(exchange))
    }

    /// Adds requests that must all succeed.
    #[must_use]
    pub fn given<E: Into<Exchange>>(self, requests: impl IntoIterator<Item = E>) -> Self {
        requests
            .into_iter()
            .fold(self, |case, request| case.send(request, OK))
    }

    /// Adds bytes to write into guest memory.
    #[must_use]
    pub fn write(self, address: u64, bytes: Vec<u8>) -> Self {
        self.step(Step::Write { address, bytes })
    }

    /// Adds bytes that guest memory must hold.
    #[must_use]
    pub fn holds(self, address: u64, bytes: Vec<u8>) -> Self {
        self.step(Step::Holds { address, bytes })
    }

    /// Adds what a scanout must show.
    #[must_use]
    pub fn shows(self, scanout: u32, picture: Option<Picture>) -> Self {
        self.step(Step::Shows { scanout, picture })
    }

    /// Adds the size of the cursor that a scanout must have.
    #[must_use]
    pub fn cursor(self, scanout: u32, size: Option<(u32, u32)>) -> Self {
        self.step(Step::Cursor { scanout, size })
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds rounds of steps.
    #[must_use]
    pub fn repeat(self, times: u32, round: fn(u32) -> Vec<Step>) -> Self {
        self.step(Step::Repeat { times, round })
    }

    /// The control queue may be of no use afterwards.
    #[must_use]
    pub fn needs_reset(mut self) -> Self {
        self.aftermath = Aftermath::NeedsReset;
        self
    }
}

impl Step {
    /// A request and how it must end.
    pub fn send(request: impl Into<Exchange>, expect: Expect) -> Self {
        let mut exchange = request.into();
        exchange.expect = expect;
        Self::Exchange(exchange)
    }
}
