//! A device, and the model of what it should be.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conformance::in_process::{FEATURES, FEATURES_3D};
use conformance::map::IMAGE;
use conformance::model::{Caps, Image, Model, Operation};
use conformance::screen::{Mood, Screen};
use gpu_renderer::RenderQueue;
use gpu_renderer::testing::{Journal, Recording};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use virtio_gpu::testing::{Driver, Sent, guest_memory};
use virtio_gpu::{Device, DeviceConfig, Limits, Progress, QueueIndex};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::intent::{Event, Fence, Intent, message};

pub const SCANOUTS: u32 = 3;
/// Bytes of the memory that backings refer to.
pub const MEMORY: u32 = 4096;
/// A fence with a pattern in every byte.
const FENCE: u64 = 0xfedc_ba98_7654_3210;

const CAPS: Caps = Caps {
    resources: 5,
    host_bytes: 3000,
    renderer_bytes: 3500,
    side: 16,
    shown_bytes: 1700,
    cursor_side: 12,
    backing_entries: 4,
    contexts: 3,
    attachments: 6,
};

fn config() -> DeviceConfig {
    let mut limits = Limits::default();
    limits.resources = CAPS.resources;
    limits.host_bytes = CAPS.host_bytes;
    limits.renderer_bytes = CAPS.renderer_bytes;
    limits.side = CAPS.side;
    limits.shown_bytes = CAPS.shown_bytes;
    limits.cursor_side = CAPS.cursor_side;
    limits.backing_entries = CAPS.backing_entries;
    limits.contexts = CAPS.contexts;
    limits.attachments = CAPS.attachments;
    // Every batch is one turn, however slow the machine.
    limits.turn_micros = 60_000_000;
    DeviceConfig {
        scanouts: SCANOUTS,
        limits,
    }
}

/// A request, the codes that it may be refused with, and what it is.
type Expected = (Sent, Vec<u32>, Operation, Fence);

/// The device, and what it should be.
pub struct Pair {
    device: Device<Screen>,
    /// What the renderer has, if there is one.
    journal: Option<Journal>,
    memory: Arc<GuestMemoryMmap>,
    driver: Driver,
    model: Model,
    mood: Mood,
    /// Promotions before the last reset.
    promoted: u64,
}

impl Pair {
    /// A 2D device.
    pub fn new() -> Self {
        let device = Device::new(config(), Screen::new(SCANOUTS)).unwrap();
        Self::around(device, None)
    }

    /// One with the recording renderer.
    pub fn rendering() -> Self {
        let (recording, journal) = Recording::new();
        let queue = RenderQueue::inline(Box::new(recording));
        let device = Device::with_renderer(config(), Screen::new(SCANOUTS), queue).unwrap();
        Self::around(device, Some(journal))
    }

    /// One whose renderer has a thread.
    pub fn rendering_on_a_thread() -> Self {
        let (recording, journal) = Recording::new();
        let queue = RenderQueue::thread(|| Ok(recording)).unwrap();
        let queue = queue.wait(Duration::from_secs(20)).unwrap();
        let device = Device::with_renderer(config(), Screen::new(SCANOUTS), queue).unwrap();
        Self::around(device, Some(journal))
    }

    /// Lets the renderer do what it was given.
    fn work(&mut self) {
        while self.device.backend().is_rendering() {
            let mut fds: Vec<_> = self
                .device
                .renderer_fd()
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
                .into_iter()
                .collect();
            poll(&mut fds, PollTimeout::from(5_u16)).unwrap();
            let _ = self.device.dispatch_renderer(Instant::now());
        }
    }

    fn around(device: Device<Screen>, journal: Option<Journal>) -> Self {
        let memory = guest_memory(32 << 20);
        let mut pair = Self {
            device,
            journal,
            driver: Driver::new(memory.clone()),
            memory,
            model: Model::new(CAPS, SCANOUTS, MEMORY as usize),
            mood: Mood::Ready,
            promoted: 0,
        };
        pair.device.set_memory(pair.memory.clone());
        pair.start();
        pair
    }

    fn start(&mut self) {
        let features = match self.journal {
            None => FEATURES,
            Some(_) => FEATURES | FEATURES_3D,
        };
        self.device.acknowledge_features(features).unwrap();
        for queue in [QueueIndex::Control, QueueIndex::Cursor] {
            self.driver.ring(queue).restart();
            let setup = self.driver.ring(queue).setup();
            let _ = self.device.start_queue(queue, &setup).unwrap();
        }
    }

    pub fn carry_out(&mut self, event: &Event) -> TestCaseResult {
        match event {
            Event::Batch(intents) => {
                for queue in [QueueIndex::Control, QueueIndex::Cursor] {
                    self.batch(queue, intents)?;
                    self.compare()?;
                }
                Ok(())
            }
            Event::Paint(at, byte) => {
                let bytes: Vec<u8> = (0..=255)
                    .map(|place: u8| byte.wrapping_add(place))
                    .collect();
                self.model.write(*at as usize, &bytes);
                self.driver.write(IMAGE + u64::from(*at), &bytes);
                self.compare()
            }
            Event::Busy => {
                self.mood = Mood::Busy;
                self.device.display_mut().set_mood(Mood::Busy);
                Ok(())
            }
            Event::Ready => {
                self.mood = Mood::Ready;
                self.device.display_mut().set_mood(Mood::Ready);
                let _ = self.device.dispatch_display(Instant::now());
                self.work();
                self.compare()
            }
            Event::Rest => {
                self.rest()?;
                self.compare()
            }
            Event::Reset => {
                self.rest()?;
                self.device.reset();
                self.start();
                self.work();
                let _ = self.device.dispatch_renderer(Instant::now());
                self.promoted = self.device.backend().render_statistics().promotions;
                let memory = self.model.memory().to_vec();
                self.model = Model::new(CAPS, SCANOUTS, MEMORY as usize);
                self.model.write(0, &memory);
                self.compare()
            }
        }
    }

    /// Takes guest memory from the renderer.
    fn rest(&mut self) -> TestCaseResult {
        while self.device.quiesce(Instant::now()).progress == Progress::Pending {
            self.work();
        }
        if let Some(journal) = &self.journal {
            prop_assert_eq!(journal.backed(), []);
        }
        Ok(())
    }

    /// Has the device and the model carry out the commands of one queue.
    fn batch(&mut self, queue: QueueIndex, intents: &[(Intent, Fence)]) -> TestCaseResult {
        let mut expected = Vec::new();
        for (intent, fence) in intents {
            let operation = intent.resolve(&self.model);
            let mut request = message(&operation);
            if request.queue != queue {
                continue;
            }
            let fence = match fence {
                // There is no ring before there is its context.
                Fence::Ring(_) if operation.context() == 0 => Fence::Global,
                Fence::Ring(_) if matches!(operation, Operation::CreateContext(_)) => Fence::Global,
                fence => *fence,
            };
            request = match fence {
                Fence::None => request,
                Fence::Global => request.fenced(FENCE),
                Fence::Ring(ring) => request.on_ring(ring, FENCE),
            };
            let sent = self.driver.send_bytes(queue, &request.bytes, 24);
            self.model.prepare(&operation);
            let refusals = self.model.refusals(&operation);
            if refusals.is_empty() {
                self.model.apply(&operation);
            }
            // Its id is taken until the renderer has refused it.
            let fails_late = matches!(operation, Operation::Create3d(..)) && !refusals.is_empty();
            expected.push((sent, refusals, operation, fence));
            if fails_late {
                self.judge(queue, std::mem::take(&mut expected))?;
            }
        }
        self.judge(queue, expected)
    }

    /// Has the device carry out what it was sent, and looks at the answers.
    fn judge(&mut self, queue: QueueIndex, expected: Vec<Expected>) -> TestCaseResult {
        let _ = self.device.process_queue(queue, Instant::now());
        self.work();
        let answers = self.driver.take_answers(queue);
        prop_assert_eq!(answers.len(), expected.len());
        let mut last_fenced = None;
        for (place, (sent, refusals, operation, fence)) in expected.into_iter().enumerate() {
            let came = answers.iter().position(|answer| answer.sent == sent);
            prop_assert!(came.is_some(), "{:?} is answered once", operation);
            let came = came.unwrap();
            if self.journal.is_none() {
                prop_assert_eq!(came, place, "answers come in order");
            }
            if fence == Fence::Global {
                prop_assert!(last_fenced < Some(came), "fences come in order");
                last_fenced = Some(came);
            }
            let (header, _) = answers[came].decode();
            let accepted = match refusals[..] {
                [] => header.kind == 0x1100,
                _ => refusals.contains(&header.kind),
            };
            prop_assert!(
                accepted,
                "{operation:?} was answered with {:#x}, not with one of {refusals:x?}",
                header.kind
            );
            let flags = match fence {
                Fence::None => 0,
                Fence::Global => 1,
                Fence::Ring(_) => 3,
            };
            let id = if flags == 0 { 0 } else { FENCE };
            prop_assert_eq!((header.flags.bits(), header.fence_id), (flags, id));
        }
        Ok(())
    }

    /// Compares what can be seen, and takes over what the display shows where it has a choice.
    fn compare(&mut self) -> TestCaseResult {
        let backend = self.device.backend();
        prop_assert_eq!(backend.resources().len(), self.model.resources());
        prop_assert_eq!(backend.resources().host_bytes(), self.model.host_bytes());
        self.compare_renderer()?;
        for index in 0..SCANOUTS as usize {
            let device = &self.device.backend().scanouts()[index];
            let model = &self.model.scanouts[index];
            let shown = device.shown.map(|shown| (shown.resource.0, shown.rect));
            prop_assert_eq!(shown, model.shown);
            prop_assert_eq!(device.cursor.image.map(|id| id.0), model.cursor.image);
            self.compare_display(index)?;
        }
        Ok(())
    }

    /// Compares contexts, what the renderer has, and the guest's memory.
    fn compare_renderer(&mut self) -> TestCaseResult {
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        let backend = self.device.backend();
        let model = &self.model;
        prop_assert_eq!(backend.contexts().len(), model.contexts().len());
        prop_assert_eq!(backend.contexts().attachments(), model.attachments());
        prop_assert_eq!(backend.resources().renderer_bytes(), model.renderer_bytes());
        let promotions = backend.render_statistics().promotions - self.promoted;
        // One that is overtaken by its UNREF does not count.
        prop_assert!(promotions <= model.promotions());
        prop_assert_eq!(backend.awaited_jobs(), 0);
        prop_assert_eq!(self.device.in_flight(), 0);
        let ids: Vec<_> = journal.contexts().iter().map(|id| id.0).collect();
        prop_assert_eq!(ids, model.contexts());
        let rendered: Vec<_> = journal.resources();
        prop_assert_eq!(rendered.len(), model.rendered().count());
        for (id, bytes) in model.rendered() {
            let pixels = journal.pixels(gpu_renderer::ResourceId(id));
            prop_assert_eq!(pixels.as_deref(), Some(bytes), "resource {}", id);
        }
        let mut bytes = vec![0; MEMORY as usize];
        self.memory
            .read_slice(&mut bytes, GuestAddress(IMAGE))
            .unwrap();
        prop_assert_eq!(&bytes[..], model.memory(), "the guest's memory");
        Ok(())
    }

    fn compare_display(&mut self, index: usize) -> TestCaseResult {
        let screen = self.device.display();
        let shown = screen.scanout(index as u32).map(|picture| Image {
            width: picture.width,
            pixels: picture.pixels.clone(),
        });
        let cursor = screen.cursor(index as u32);
        let model = &self.model.scanouts[index];
        let cursor_image = cursor.as_ref().map(|cursor| Image {
            width: cursor.image.width,
            pixels: cursor.image.pixels.clone(),
        });
        if let Some(cursor) = &cursor {
            let hot = (cursor.hotspot.x, cursor.hotspot.y);
            let at = (cursor.position.x, cursor.position.y);
            prop_assert_eq!((hot, at), (model.cursor.hot, model.cursor.at));
        }
        if self.mood == Mood::Busy {
            prop_assert_eq!(&shown, &model.displayed, "a busy display shows what it did");
            return Ok(());
        }
        match (&shown, self.model.newest(index)) {
            (None, None) => {}
            (Some(shown), Some(newest)) => {
                let before = model.displayed.as_ref().unwrap();
                prop_assert_eq!(shown.pixels.len(), newest.len());
                prop_assert_eq!(shown.width, before.width);
                let pixels = shown.pixels.iter().zip(&before.pixels).zip(newest);
                for (place, ((now, before), right)) in pixels.enumerate() {
                    let older = right.older_will_do && now == before;
                    let is_right = right.values.contains(now) || older;
                    prop_assert!(is_right, "pixel {place} is {now:06x}: {right:x?}");
                }
            }
            other => prop_assert!(false, "scanout {index}: {other:?}"),
        }
        match (&cursor_image, self.model.newest_cursor(index)) {
            (None, None) => {}
            (Some(now), Some(right)) => {
                let before = model.cursor.displayed.as_ref();
                let older = right.older_will_do && Some(now) == before;
                let is_right = right.values.contains(now) || older;
                prop_assert!(is_right, "the cursor of scanout {index}");
            }
            other => prop_assert!(false, "the cursor of scanout {index}: {other:?}"),
        }
        self.model.settle(index, shown, cursor_image);
        Ok(())
    }
}
