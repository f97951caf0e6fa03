//! A device with a driver on one side and a display that records on the other.
#![allow(
    dead_code,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_debug_implementations,
    unreachable_pub
)]

pub mod blobs;
pub mod recorder;

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use virtio_gpu::protocol::{Command, ErrorCode, ResourceCreate2d, ResourceId, ScanoutId, Success};
use virtio_gpu::testing::{Answer, Driver, entry, guest_memory};
use virtio_gpu::{Device, DeviceConfig, Limits, QueueIndex, Turn};
use vm_memory::{GuestAddress, GuestMemoryMmap};

pub use gpu_buffer::Rect;
pub use recorder::{Record, Recorder};

pub const MEMORY: usize = 64 << 20;
/// Where tests place their images.
pub const IMAGE: u64 = Driver::FREE;
/// `VIRTIO_GPU_F_EDID` and `VIRTIO_F_VERSION_1`.
pub const FEATURES: u64 = 1 << 1 | 1 << 32;

/// Longer than anything that should happen takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const OK: Result<Success, ErrorCode> = Ok(Success::NoData);

pub struct Rig {
    pub device: Device<Recorder>,
    pub driver: Driver,
    pub memory: Arc<GuestMemoryMmap>,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(1, Limits::default())
    }

    /// A guest whose images are in a region of their own.
    pub fn with_images_apart(limits: Limits) -> Self {
        let driver = (GuestAddress(0), IMAGE as usize);
        let images = (GuestAddress(IMAGE), MEMORY - IMAGE as usize);
        let memory = GuestMemoryMmap::from_ranges(&[driver, images]).unwrap();
        Self::over(Arc::new(memory), 1, limits)
    }

    /// The memory without the region of [`Rig::with_images_apart`].
    pub fn memory_without_images(&self) -> Arc<GuestMemoryMmap> {
        let size = (MEMORY - IMAGE as usize) as u64;
        let (less, _) = self
            .memory
            .remove_region(GuestAddress(IMAGE), size)
            .unwrap();
        Arc::new(less)
    }

    pub fn with(scanouts: u32, limits: Limits) -> Self {
        Self::over(guest_memory(MEMORY), scanouts, limits)
    }

    fn over(memory: Arc<GuestMemoryMmap>, scanouts: u32, limits: Limits) -> Self {
        let config = DeviceConfig { scanouts, limits };
        let device = Device::new(config, Recorder::new(scanouts)).unwrap();
        Self::around(device, memory, FEATURES)
    }

    /// A device whose driver is up.
    pub fn around(device: Device<Recorder>, memory: Arc<GuestMemoryMmap>, features: u64) -> Self {
        let mut rig = Self {
            device,
            driver: Driver::new(memory.clone()),
            memory,
        };
        rig.start(features);
        rig
    }

    /// What a driver does at probe.
    pub fn start(&mut self, features: u64) {
        self.device.set_memory(self.memory.clone());
        self.device.acknowledge_features(features).unwrap();
        for queue in [QueueIndex::Control, QueueIndex::Cursor] {
            let setup = self.driver.ring(queue).setup();
            let _ = self.device.start_queue(queue, &setup).unwrap();
        }
    }

    pub fn kick(&mut self, queue: QueueIndex) -> Turn {
        self.device.process_queue(queue, Instant::now())
    }

    /// Sends one command, kicks, and returns what came back. A command of
    /// the cursor queue is given room for an answer.
    pub fn call(&mut self, command: Command<'_>) -> Result<Success, ErrorCode> {
        let answer = self.call_fenced(command, None);
        answer.outcome()
    }

    pub fn call_fenced(&mut self, command: Command<'_>, fence: Option<u64>) -> Answer {
        let queue = match command.queue() {
            virtio_gpu::protocol::QueueKind::Control => QueueIndex::Control,
            virtio_gpu::protocol::QueueKind::Cursor => QueueIndex::Cursor,
        };
        let request = command.encode(&virtio_gpu::testing::header(&command, fence));
        let answers = self.call_bytes(queue, &request, 2048);
        assert_eq!(answers.len(), 1, "{command:?} is answered exactly once");
        answers.into_iter().next().unwrap()
    }

    pub fn call_bytes(&mut self, queue: QueueIndex, request: &[u8], room: u32) -> Vec<Answer> {
        self.driver.send_bytes(queue, request, room);
        while self.kick(queue).more {}
        self.wait_for_answers(queue)
    }

    /// What has come back on a queue. A renderer is given time.
    pub fn wait_for_answers(&mut self, queue: QueueIndex) -> Vec<Answer> {
        let begun = Instant::now();
        loop {
            let answers = self.driver.take_answers(queue);
            let may_come = self.device.backend().renderer().is_some();
            if !answers.is_empty() || !may_come || begun.elapsed() > PATIENCE {
                return answers;
            }
            self.work(Duration::from_millis(10));
        }
    }

    /// One round of the loop that a program around the device has, which waits
    /// for so long at most.
    pub fn work(&mut self, at_most: Duration) {
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        let wait = self.device.deadline().map_or(at_most, left).min(at_most);
        let fd = self.device.renderer_fd();
        let mut fds: Vec<_> = fd
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .into_iter()
            .collect();
        // Rounded up, so that what is waited for is due afterwards.
        let millis = u16::try_from(wait.as_micros().div_ceil(1000)).unwrap();
        let ready = poll(&mut fds, PollTimeout::from(millis)).unwrap();
        let is_due = self.device.deadline().is_some_and(|at| left(at).is_zero());
        if ready == 0 && !is_due {
            return;
        }
        let now = Instant::now();
        let _ = self.device.dispatch_display(now);
        let mut more = self.device.dispatch_renderer(now).more;
        while more {
            more = self.kick(QueueIndex::Control).more;
        }
    }

    pub fn create(&mut self, id: u32, width: u32, height: u32) -> Result<Success, ErrorCode> {
        self.call(create(id, 2, width, height))
    }

    /// A resource with backing at [`IMAGE`], filled by `pixel(x, y)`, and
    /// transferred.
    pub fn image(&mut self, id: u32, width: u32, height: u32, pixel: impl Fn(u32, u32) -> u32) {
        self.image_at(IMAGE, id, width, height, pixel);
    }

    pub fn image_at(
        &mut self,
        address: u64,
        id: u32,
        width: u32,
        height: u32,
        pixel: impl Fn(u32, u32) -> u32,
    ) {
        assert_eq!(self.create(id, width, height), OK);
        self.paint(address, width, height, pixel);
        assert_eq!(self.attach(id, &[(address, width * height * 4)]), OK);
        assert_eq!(self.transfer(id, Rect::from_size(width, height), 0), OK);
    }

    pub fn paint(
        &mut self,
        address: u64,
        width: u32,
        height: u32,
        pixel: impl Fn(u32, u32) -> u32,
    ) {
        let mut bytes = Vec::new();
        for y in 0..height {
            for x in 0..width {
                bytes.extend_from_slice(&pixel(x, y).to_le_bytes());
            }
        }
        self.driver.write(address, &bytes);
    }

    pub fn attach(&mut self, id: u32, entries: &[(u64, u32)]) -> Result<Success, ErrorCode> {
        let entries: Vec<_> = entries.iter().map(|(at, len)| entry(*at, *len)).collect();
        self.call(Command::ResourceAttachBacking {
            resource: ResourceId(id),
            entries: &entries,
        })
    }

    pub fn detach(&mut self, id: u32) -> Result<Success, ErrorCode> {
        self.call(Command::ResourceDetachBacking {
            resource: ResourceId(id),
        })
    }

    pub fn transfer(&mut self, id: u32, rect: Rect, offset: u64) -> Result<Success, ErrorCode> {
        self.call(Command::TransferToHost2d {
            rect,
            offset,
            resource: ResourceId(id),
        })
    }

    pub fn set_scanout(&mut self, scanout: u32, id: u32, rect: Rect) -> Result<Success, ErrorCode> {
        self.call(Command::SetScanout {
            rect,
            scanout: ScanoutId(scanout),
            resource: ResourceId::or_none(id),
        })
    }

    pub fn flush(&mut self, id: u32, rect: Rect) -> Result<Success, ErrorCode> {
        self.call(Command::ResourceFlush {
            rect,
            resource: ResourceId(id),
        })
    }

    pub fn unref(&mut self, id: u32) -> Result<Success, ErrorCode> {
        self.call(Command::ResourceUnref {
            resource: ResourceId(id),
        })
    }

    /// What the display was told since the last call.
    pub fn records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.device.display_mut().records)
    }

    /// The damage and pixels of every frame in a dma-buf since the last call;
    /// there was no other.
    pub fn shared_frames(&mut self) -> Vec<(Vec<Rect>, Vec<u32>)> {
        let frame = |record| match record {
            Record::PresentedShared { damage, pixels, .. } => Some((damage, pixels)),
            Record::Presented { .. } => panic!("a copy was presented"),
            _ => None,
        };
        self.records().into_iter().filter_map(frame).collect()
    }

    /// The damage and pixels of every frame since the last call.
    pub fn frames(&mut self) -> Vec<(Vec<Rect>, Vec<u32>)> {
        self.records()
            .into_iter()
            .filter_map(|record| match record {
                Record::Presented { damage, pixels, .. } => Some((damage, pixels)),
                _ => None,
            })
            .collect()
    }
}

pub fn create(id: u32, format: u32, width: u32, height: u32) -> Command<'static> {
    Command::ResourceCreate2d(ResourceCreate2d {
        resource: ResourceId(id),
        format,
        width,
        height,
    })
}

pub fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
    Rect {
        x,
        y,
        width,
        height,
    }
}

/// Pixels that differ everywhere in an image smaller than 256 x 256.
pub fn gradient(x: u32, y: u32) -> u32 {
    0x0040_0000 | x << 8 | y
}
