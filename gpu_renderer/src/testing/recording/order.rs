//! The command streams that a [`super::Recording`] understands.

use std::time::Duration;

use crate::{RenderError, ResourceId};

const FILL: u32 = 1;
const FAIL: u32 = 2;
const SLEEP: u32 = 3;
const PANIC: u32 = 4;

/// One command. A stream is a row of them, carried out until one fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `[1, resource, colour]`: gives all texels of a resource that is
    /// attached to the context a value; its low byte is the first in memory.
    Fill {
        /// The resource.
        resource: ResourceId,
        /// The value.
        colour: u32,
    },
    /// `[2]`: fails with [`RenderError::Refused`].
    Fail,
    /// `[3, milliseconds]`: keeps the renderer busy.
    Sleep {
        /// For how long.
        milliseconds: u32,
    },
    /// `[4]`: panics.
    Panic,
}

impl Order {
    /// The stream of some commands.
    pub fn stream(orders: &[Self]) -> Vec<u32> {
        let mut stream = Vec::new();
        for order in orders {
            match *order {
                Self::Fill { resource, colour } => stream.extend([FILL, resource.0, colour]),
                Self::Fail => stream.push(FAIL),
                Self::Sleep { milliseconds } => stream.extend([SLEEP, milliseconds]),
                Self::Panic => stream.push(PANIC),
            }
        }
        stream
    }

    /// The command that a stream begins with, and the rest; `None` at the end
    /// of the stream.
    pub(super) fn next(stream: &[u32]) -> Result<Option<(Self, &[u32])>, RenderError> {
        Ok(Some(match stream {
            [] => return Ok(None),
            &[FILL, resource, colour, ref rest @ ..] => {
                let resource = ResourceId(resource);
                (Self::Fill { resource, colour }, rest)
            }
            [FAIL, rest @ ..] => (Self::Fail, rest),
            &[SLEEP, milliseconds, ref rest @ ..] => (Self::Sleep { milliseconds }, rest),
            [PANIC, rest @ ..] => (Self::Panic, rest),
            _ => return Err(RenderError::Impossible("an unknown or cut command")),
        }))
    }

    /// What does not need a resource.
    pub(super) fn perform(self) -> Result<(), RenderError> {
        match self {
            Self::Fill { .. } => Ok(()),
            Self::Fail => Err(RenderError::Refused {
                call: "fail",
                code: 22,
            }),
            Self::Sleep { milliseconds } => {
                std::thread::sleep(Duration::from_millis(u64::from(milliseconds)));
                Ok(())
            }
            #[expect(clippy::panic, reason = "it was asked for")]
            Self::Panic => panic!("the command stream says so"),
        }
    }
}
