//! The device of this workspace, called directly.

use std::sync::Arc;
use std::time::Instant;

use gpu_renderer::RenderQueue;
use gpu_renderer::testing::{Journal, Recording};
use virtio_gpu::testing::Driver;
use virtio_gpu::{
    Device, DeviceConfig, GuestBlobs, Limits, Progress, QueueIndex, QueueSetup, Turn,
};
use vm_memory::{GuestAddress, GuestMemoryMmap};

use crate::executor::{Executor, Footprint, Log, ShownCursor};
use crate::log_lines;
use crate::map::{PLUGGED, PLUGGED_BYTES, REGIONS};
use crate::picture::Picture;
use crate::screen::{Mood, Screen};
use crate::violation::Violation;

/// `VIRTIO_GPU_F_EDID`, `VIRTIO_F_INDIRECT_DESC` and `VIRTIO_F_VERSION_1`.
pub const FEATURES: u64 = 1 << 1 | 1 << 28 | 1 << 32;

/// `VIRTIO_GPU_F_VIRGL` and `VIRTIO_GPU_F_CONTEXT_INIT`, which are offered besides where there is a renderer.
pub const FEATURES_3D: u64 = 1 << 0 | 1 << 4;

/// `VIRTIO_GPU_F_RESOURCE_BLOB`, which a 2D device offers that is told to.
pub const RESOURCE_BLOB: u64 = 1 << 3;

/// Both queues.
pub const QUEUES: [QueueIndex; 2] = [QueueIndex::Control, QueueIndex::Cursor];

/// A [`Device`] on a [`Screen`].
#[derive(Debug)]
pub struct InProcess {
    /// The device.
    pub device: Device<Screen>,
    /// What the renderer is asked, where there is one.
    pub journal: Option<Journal>,
    features: u64,
    driver: Driver,
    memory: Arc<GuestMemoryMmap>,
    interrupts: Turn,
    log_taken: Instant,
}

impl InProcess {
    /// A 2D device with so many scanouts whose driver is up.
    pub fn new(scanouts: u32, limits: Limits) -> Self {
        let config = DeviceConfig { scanouts, limits };
        let device = Device::new(config, Screen::new(scanouts)).expect("1 to 16 scanouts");
        Self::around(device, None, FEATURES)
    }

    /// The same that offers blobs of the guest's memory.
    pub fn with_blobs(scanouts: u32, limits: Limits) -> Self {
        let device = Device::builder(Screen::new(scanouts))
            .scanouts(scanouts)
            .limits(limits)
            .guest_blobs(GuestBlobs::Copied)
            .build()
            .expect("1 to 16 scanouts");
        Self::around(device, None, FEATURES | RESOURCE_BLOB)
    }

    /// The same with the recording renderer, in this thread.
    pub fn rendering(scanouts: u32, limits: Limits) -> Self {
        let config = DeviceConfig { scanouts, limits };
        let (recording, journal) = Recording::new();
        let queue = RenderQueue::inline(Box::new(recording));
        let device = Device::with_renderer(config, Screen::new(scanouts), queue);
        let device = device.expect("1 to 16 scanouts");
        Self::around(device, Some(journal), FEATURES | FEATURES_3D)
    }

    fn around(device: Device<Screen>, journal: Option<Journal>, features: u64) -> Self {
        log_lines::collect();
        let ranges = REGIONS.map(|(at, bytes)| (GuestAddress(at), bytes as usize));
        let memory = GuestMemoryMmap::from_ranges(&ranges).expect("there is memory for a guest");
        let memory = Arc::new(memory);
        let mut made = Self {
            device,
            journal,
            features,
            driver: Driver::new(memory.clone()),
            memory,
            interrupts: Turn::default(),
            log_taken: Instant::now(),
        };
        made.start(features);
        made
    }

    /// Brings the renderer to rest.
    fn rest(&mut self) {
        loop {
            let quiescing = self.device.quiesce(Instant::now());
            self.interrupts = self.interrupts.merge(quiescing.turn);
            if quiescing.progress == Progress::Done {
                break;
            }
        }
    }

    fn start(&mut self, features: u64) {
        self.device.set_memory(self.memory.clone());
        self.device
            .acknowledge_features(features)
            .expect("cases negotiate what is offered");
        for queue in QUEUES {
            self.driver.ring(queue).restart();
            let setup = self.driver.ring(queue).setup();
            let _ = self
                .device
                .start_queue(queue, &setup)
                .expect("the driver's rings are good");
        }
    }
}

impl Executor for InProcess {
    fn features(&self) -> u64 {
        self.features
    }

    fn memory(&self) -> Arc<GuestMemoryMmap> {
        self.memory.clone()
    }

    fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    fn kick(&mut self, queue: QueueIndex) {
        // A turn is bounded; a storm of requests must not keep this loop going for good.
        for _ in 0..64 {
            let turn = self.device.process_queue(queue, Instant::now());
            self.interrupts = self.interrupts.merge(turn);
            if !turn.more {
                break;
            }
        }
    }

    fn idle(&mut self) {
        let turn = self.device.dispatch_display(Instant::now());
        self.interrupts = self.interrupts.merge(turn);
        let turn = self.device.dispatch_renderer(Instant::now());
        self.interrupts = self.interrupts.merge(turn);
        for queue in QUEUES {
            self.kick(queue);
        }
    }

    fn take_interrupt(&mut self, queue: QueueIndex) -> bool {
        let raised = self.interrupts.notify(queue);
        match queue {
            QueueIndex::Control => self.interrupts.notify_control = false,
            QueueIndex::Cursor => self.interrupts.notify_cursor = false,
        }
        raised
    }

    fn failed(&mut self, queue: QueueIndex) -> bool {
        self.device.queue_failed(queue)
    }

    fn set_up(&mut self, queue: QueueIndex, setup: &QueueSetup) -> bool {
        self.rest();
        let _ = self.device.stop_queue(queue);
        self.device.start_queue(queue, setup).is_ok()
    }

    fn reset(&mut self, features: u64) -> Result<(), Violation> {
        self.rest();
        self.device.reset();
        self.start(features);
        let _ = self.device.dispatch_renderer(Instant::now());
        if let Some(journal) = &self.journal {
            journal.take_calls();
        }
        Ok(())
    }

    fn unplug(&mut self) {
        let (rest, _) = self
            .memory
            .remove_region(GuestAddress(PLUGGED), PLUGGED_BYTES)
            .expect("the region is there");
        self.rest();
        self.device.set_memory(Arc::new(rest));
    }

    fn freeze(&mut self) {
        self.device.display_mut().set_mood(Mood::Busy);
    }

    fn thaw(&mut self) {
        self.device.display_mut().set_mood(Mood::Ready);
        self.idle();
    }

    fn footprint(&mut self) -> Footprint {
        let backend = self.device.backend();
        let resources = backend.resources();
        let shown = backend.scanouts().iter().filter(|s| s.shown.is_some());
        let cursors = backend
            .scanouts()
            .iter()
            .filter(|s| s.cursor.image.is_some());
        let journal = self.journal.as_ref();
        let renderer_has = |count: fn(&Journal) -> usize| journal.map_or(0, count) as u64;
        Footprint(vec![
            ("resources", resources.len() as u64),
            ("contexts", backend.contexts().len() as u64),
            ("attachments", backend.contexts().attachments() as u64),
            ("awaited jobs", backend.awaited_jobs() as u64),
            (
                "contexts of the renderer",
                renderer_has(|j| j.contexts().len()),
            ),
            (
                "resources of the renderer",
                renderer_has(|j| j.resources().len()),
            ),
            (
                "backings of the renderer",
                renderer_has(|j| j.backed().len()),
            ),
            ("bytes of the renderer's", resources.renderer_bytes()),
            ("bytes of pixels", resources.host_bytes()),
            ("backing entries", resources.backing_entries() as u64),
            ("scanouts shown", shown.count() as u64),
            ("cursors", cursors.count() as u64),
            ("surfaces", backend.display().surfaces() as u64),
            ("requests in flight", self.device.in_flight() as u64),
        ])
    }

    fn tracker(&mut self) -> Option<Footprint> {
        Some(self.footprint())
    }

    fn shown(&mut self, scanout: u32) -> Option<Picture> {
        self.device.display().scanout(scanout).cloned()
    }

    fn cursor(&mut self, scanout: u32) -> ShownCursor {
        match self.device.display().cursor(scanout) {
            Some(cursor) => ShownCursor::OfSize(cursor.image.width, cursor.image.height),
            None => ShownCursor::Hidden,
        }
    }

    fn take_log(&mut self) -> Log {
        let since = std::mem::replace(&mut self.log_taken, Instant::now());
        Log {
            lines: log_lines::take(),
            span: since.elapsed(),
        }
    }

    fn check_alive(&mut self) -> Result<(), Violation> {
        Ok(())
    }
}
