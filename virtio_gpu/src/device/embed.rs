//! What a program around the device needs: how it is made, started, woken and
//! heard.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use gpu_buffer::SharePages;
use gpu_display::{Display, Interest};
use gpu_renderer::RenderQueue;
use virtio_queue::{Queue, QueueT};
use vm_memory::{GuestAddress, GuestMemoryMmap};

use super::{Device, DeviceConfig, QueueIndex, Turn};
use crate::error::DeviceError;
use crate::limits::Limits;
use crate::queue::QueueSetup;

/// Makes a [`Device`] step by step.
#[derive(Debug)]
#[must_use = "a builder makes nothing until it is told to"]
pub struct DeviceBuilder<D> {
    display: D,
    config: DeviceConfig,
    renderer: Option<RenderQueue>,
    guest_blobs: GuestBlobs,
}

/// Whether a 2D device offers blobs of its guest's memory
/// (`VIRTIO_GPU_F_RESOURCE_BLOB`), and how they are shown.
#[derive(Debug, Default)]
pub enum GuestBlobs {
    /// None are offered.
    #[default]
    NotOffered,
    /// What changed is copied when it is flushed.
    Copied,
    /// The guest's pages become dma-bufs, which a display that takes those shows
    /// without a copy. Where that cannot be they are copied.
    Shared(Box<dyn SharePages + Send>),
}

impl<D: Display> DeviceBuilder<D> {
    /// The number of scanouts, 1 to 16, fixed for the device's life; 1 if it
    /// is not said.
    pub fn scanouts(mut self, scanouts: u32) -> Self {
        self.config.scanouts = scanouts;
        self
    }

    /// Caps on what the guest can make the host hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// What renders 3D for the guest.
    pub fn renderer(mut self, renderer: RenderQueue) -> Self {
        self.renderer = Some(renderer);
        self
    }

    /// Whether blobs of the guest's memory are offered; they are not if it is not
    /// said. A front end must pass the feature on: QEMU's `vhost-user-gpu` of up to
    /// 11.1 does not.
    pub fn guest_blobs(mut self, blobs: GuestBlobs) -> Self {
        self.guest_blobs = blobs;
        self
    }

    /// The device, after power-on.
    ///
    /// # Errors
    /// [`DeviceError::ScanoutCount`], [`DeviceError::BlobsWithRenderer`].
    pub fn build(self) -> Result<Device<D>, DeviceError> {
        let renders = self.renderer.is_some();
        let mut device = Device::build(self.config, self.display, self.renderer)?;
        match self.guest_blobs {
            GuestBlobs::NotOffered => {}
            _ if renders => return Err(DeviceError::BlobsWithRenderer),
            GuestBlobs::Copied => device.backend.offer_guest_blobs(None),
            GuestBlobs::Shared(sharer) => device.backend.offer_guest_blobs(Some(sharer)),
        }
        Ok(device)
    }
}

/// What the driver has set up when it says `DRIVER_OK` (VIRTIO 1.4 §3.1.1).
#[derive(Debug, Clone)]
pub struct Activation {
    /// The features that it acknowledged.
    pub features: u64,
    /// The guest's memory.
    pub memory: Arc<GuestMemoryMmap>,
    /// Queue 0.
    pub control: QueueSetup,
    /// Queue 1.
    pub cursor: QueueSetup,
}

/// As a VMM's transport keeps a queue that its driver has set up.
impl From<&Queue> for QueueSetup {
    fn from(queue: &Queue) -> Self {
        Self {
            size: queue.size(),
            descriptor_table: GuestAddress(queue.desc_table()),
            avail_ring: GuestAddress(queue.avail_ring()),
            used_ring: GuestAddress(queue.used_ring()),
            next_avail: queue.next_avail(),
        }
    }
}

/// Something outside that gives the device work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wakeup {
    /// The driver has kicked a queue.
    Kick(QueueIndex),
    /// The display has news.
    Display,
    /// The renderer has finished something.
    Renderer,
    /// The [deadline](Device::deadline) has come.
    Deadline,
}

/// A descriptor to poll, level-triggered, and what to [wake](Device::wake) the
/// device with.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// What to wait for. It may change with every call to the device.
    pub interest: Interest,
    /// What its readiness means.
    pub wakeup: Wakeup,
}

/// The interrupts of the device, as its transport raises them.
pub trait Interrupts {
    /// Used buffers are in a queue.
    fn queue(&mut self, queue: QueueIndex);

    /// The configuration space has changed.
    fn config(&mut self);
}

impl Turn {
    /// Raises the interrupts that the turn asks for.
    pub fn raise(&self, interrupts: &mut impl Interrupts) {
        for queue in [QueueIndex::Control, QueueIndex::Cursor] {
            if self.notify(queue) {
                interrupts.queue(queue);
            }
        }
        if self.notify_config {
            interrupts.config();
        }
    }
}

impl<D: Display> Device<D> {
    /// A device that shows its scanouts on `display`.
    pub fn builder(display: D) -> DeviceBuilder<D> {
        DeviceBuilder {
            display,
            config: DeviceConfig::default(),
            renderer: None,
            guest_blobs: GuestBlobs::NotOffered,
        }
    }

    /// All that happens at `DRIVER_OK`, in its order: features, memory, queues.
    ///
    /// # Errors
    /// [`DeviceError::UnofferedFeatures`], [`DeviceError::InvalidQueue`]: then
    /// the device has to be [reset](Device::reset).
    pub fn activate(&mut self, driver: Activation) -> Result<Turn, DeviceError> {
        self.acknowledge_features(driver.features)?;
        self.set_memory(driver.memory);
        let control = self.start_queue(QueueIndex::Control, &driver.control)?;
        let cursor = self.start_queue(QueueIndex::Cursor, &driver.cursor)?;
        Ok(control.merge(cursor))
    }

    /// The descriptors to poll besides the kicks. Which ones there are does not
    /// change; a device on a display without a descriptor, and without a
    /// renderer on a thread, has none.
    pub fn watches(&self) -> impl Iterator<Item = Watch<'_>> {
        let display = self.display().poll_fd().map(|poll| Watch {
            fd: poll.fd,
            interest: poll.interest,
            wakeup: Wakeup::Display,
        });
        let renderer = self.renderer_fd().map(|fd| Watch {
            fd,
            interest: Interest::Readable,
            wakeup: Wakeup::Renderer,
        });
        display.into_iter().chain(renderer)
    }

    /// Works for one bounded turn. When it says that there is
    /// [more](Turn::more), the same wakeup is due again after all others that
    /// are due.
    pub fn wake(&mut self, wakeup: Wakeup, now: Instant) -> Turn {
        match wakeup {
            Wakeup::Kick(queue) => self.process_queue(queue, now),
            Wakeup::Display => self.dispatch_display(now),
            Wakeup::Renderer => self.dispatch_renderer(now),
            Wakeup::Deadline => self
                .dispatch_display(now)
                .merge(self.dispatch_renderer(now)),
        }
    }
}
