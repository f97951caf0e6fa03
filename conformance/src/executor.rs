//! What a case is run on.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use virtio_gpu::testing::Driver;
use virtio_gpu::{QueueIndex, QueueSetup};
use vm_memory::GuestMemoryMmap;

use crate::picture::Picture;
use crate::violation::Violation;

/// What holds for a device at rest: compared before a case and after the reset that follows it.
/// Each figure has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint(pub Vec<(&'static str, u64)>);

impl std::fmt::Display for Footprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (name, count)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {name}")?;
        }
        Ok(())
    }
}

/// What a device has logged.
#[derive(Debug, Clone)]
pub struct Log {
    /// The lines.
    pub lines: Vec<String>,
    /// In how much time.
    pub span: Duration,
}

/// The cursor that is over a scanout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownCursor {
    /// None is seen.
    Hidden,
    /// One with an image of this width and height.
    OfSize(u32, u32),
    /// One, with the image cut or padded on its way.
    OfSomeSize,
}

/// A device with a driver: in this process, or behind a socket.
///
/// Its guest memory is that of [`map`](crate::map), its driver works on it, and both queues run.
pub trait Executor: Debug {
    /// The features that a case begins with.
    fn features(&self) -> u64;

    /// The guest's memory.
    fn memory(&self) -> Arc<GuestMemoryMmap>;

    /// The driver, whose rings are what the device was told.
    fn driver(&mut self) -> &mut Driver;

    /// Tells the device that a queue has requests.
    fn kick(&mut self, queue: QueueIndex);

    /// Lets the device work while the caller waits for it.
    fn idle(&mut self);

    /// Whether a queue has raised an interrupt since the last call.
    fn take_interrupt(&mut self, queue: QueueIndex) -> bool;

    /// Whether a queue has failed since the last reset.
    fn failed(&mut self, queue: QueueIndex) -> bool;

    /// Stops a queue and sets it up anew. True if the device took it.
    fn set_up(&mut self, queue: QueueIndex, setup: &QueueSetup) -> bool;

    /// Resets the device and the driver, negotiates features, starts both queues. All regions of
    /// memory are there again.
    ///
    /// # Errors
    /// [`Violation::Gone`].
    fn reset(&mut self, features: u64) -> Result<(), Violation>;

    /// Takes the region at [`map::PLUGGED`](crate::map::PLUGGED) away.
    fn unplug(&mut self);

    /// Has the display take no frames from here on.
    fn freeze(&mut self);

    /// Has the display take frames again.
    fn thaw(&mut self);

    /// What the device holds.
    fn footprint(&mut self) -> Footprint;

    /// What the state tracker holds, `None` where it cannot be seen.
    fn tracker(&mut self) -> Option<Footprint>;

    /// What a scanout shows, without cursor.
    fn shown(&mut self, scanout: u32) -> Option<Picture>;

    /// The cursor of a scanout.
    fn cursor(&mut self, scanout: u32) -> ShownCursor;

    /// What the device has logged since the last call.
    fn take_log(&mut self) -> Log;

    /// Whether the device is there.
    ///
    /// # Errors
    /// [`Violation::Gone`].
    fn check_alive(&mut self) -> Result<(), Violation>;
}
