//! Random sequences of legal and illegal commands: the device does what the reference model does.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use std::time::Instant;

use conformance::map::IMAGE;
use conformance::message::{self, Message};
use conformance::model::{Caps, Image, Model, Operation};
use conformance::screen::{Mood, Screen};
use gpu_buffer::Rect;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use virtio_gpu::testing::{Driver, guest_memory};
use virtio_gpu::{Device, DeviceConfig, Limits, QueueIndex};

const SCANOUTS: u32 = 3;
/// Bytes of the memory that backings refer to.
const MEMORY: u32 = 4096;
/// A fence with a pattern in every byte.
const FENCE: u64 = 0xfedc_ba98_7654_3210;

const CAPS: Caps = Caps {
    resources: 5,
    host_bytes: 3000,
    side: 16,
    shown_bytes: 1700,
    cursor_side: 12,
    backing_entries: 4,
};

/// What happens between two looks at the device.
#[derive(Debug, Clone)]
enum Event {
    /// Commands, each with or without a fence, and one kick for all.
    Batch(Vec<(Operation, bool)>),
    /// The guest writes this byte and its successors.
    Paint(u32, u8),
    /// The display takes no frames.
    Busy,
    /// It takes them again.
    Ready,
    /// The driver resets the device.
    Reset,
}

fn id() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1..=6_u32, 1 => Just(0), 1 => any::<u32>()]
}

fn scanout() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 0..SCANOUTS, 1 => Just(SCANOUTS), 1 => any::<u32>()]
}

fn length() -> impl Strategy<Value = u32> {
    prop_oneof![16 => 1..=16_u32, 1 => Just(0), 1 => 17..=20_u32, 1 => any::<u32>()]
}

fn edge() -> impl Strategy<Value = u32> {
    prop_oneof![8 => Just(0), 8 => 0..=8_u32, 1 => any::<u32>()]
}

fn rect() -> impl Strategy<Value = Rect> {
    (edge(), edge(), length(), length()).prop_map(|(x, y, w, h)| Rect::new(x, y, w, h))
}

fn format() -> impl Strategy<Value = u32> {
    let known = proptest::sample::select(vec![1_u32, 2, 3, 4, 67, 68, 121, 134]);
    prop_oneof![12 => known, 1 => any::<u32>()]
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![8 => Just(0), 4 => 0..600_u64, 1 => any::<u64>()]
}

fn entries() -> impl Strategy<Value = Vec<(u32, u32)>> {
    let entry = (0..MEMORY - 1024, 0..=1024_u32);
    proptest::collection::vec(entry, 1..=5)
}

fn operation() -> impl Strategy<Value = Operation> {
    let at = || prop_oneof![-20..20_i32, any::<i32>()];
    prop_oneof![
        4 => (id(), format(), length(), length()).prop_map(|(id, format, width, height)| {
            Operation::Create { id, format, width, height }
        }),
        1 => id().prop_map(Operation::Unref),
        4 => (id(), entries()).prop_map(|(id, entries)| Operation::Attach(id, entries)),
        1 => id().prop_map(Operation::Detach),
        4 => (id(), rect(), offset()).prop_map(|(id, rect, at)| Operation::Transfer(id, rect, at)),
        4 => (scanout(), id(), rect()).prop_map(|(scanout, id, rect)| {
            Operation::SetScanout(scanout, id, rect)
        }),
        4 => (id(), rect()).prop_map(|(id, rect)| Operation::Flush(id, rect)),
        3 => (scanout(), id(), (0..20_u32, any::<u32>()), (at(), at())).prop_map(
            |(scanout, id, hot, at)| Operation::UpdateCursor { scanout, id, hot, at }
        ),
        2 => (scanout(), (at(), at())).prop_map(|(scanout, at)| Operation::MoveCursor(scanout, at)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => proptest::collection::vec((operation(), any::<bool>()), 1..=4).prop_map(Event::Batch),
        6 => (0..MEMORY - 256, any::<u8>()).prop_map(|(at, byte)| Event::Paint(at, byte)),
        1 => Just(Event::Busy),
        2 => Just(Event::Ready),
        1 => Just(Event::Reset),
    ]
}

fn message(operation: &Operation) -> Message {
    match operation {
        Operation::Create {
            id,
            format,
            width,
            height,
        } => message::create_format(*id, *format, *width, *height),
        Operation::Unref(id) => message::unref(*id),
        Operation::Attach(id, entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(at, length)| (IMAGE + u64::from(*at), *length))
                .collect();
            message::attach(*id, &entries)
        }
        Operation::Detach(id) => message::detach(*id),
        Operation::Transfer(id, rect, offset) => message::transfer(*id, *rect, *offset),
        Operation::SetScanout(scanout, id, rect) => message::set_scanout(*scanout, *id, *rect),
        Operation::Flush(id, rect) => message::flush(*id, *rect),
        Operation::UpdateCursor {
            scanout,
            id,
            hot,
            at,
        } => message::update_hotspot(*scanout, *id, hot.0, hot.1)
            .patched(28, &at.0.to_le_bytes())
            .patched(32, &at.1.to_le_bytes()),
        Operation::MoveCursor(scanout, at) => message::move_cursor(*scanout, at.0, at.1),
    }
}

/// The device, and what it should be.
struct Pair {
    device: Device<Screen>,
    driver: Driver,
    model: Model,
    mood: Mood,
}

impl Pair {
    fn new() -> Self {
        let mut limits = Limits::default();
        limits.resources = CAPS.resources;
        limits.host_bytes = CAPS.host_bytes;
        limits.side = CAPS.side;
        limits.shown_bytes = CAPS.shown_bytes;
        limits.cursor_side = CAPS.cursor_side;
        limits.backing_entries = CAPS.backing_entries;
        // Every batch is one turn, however slow the machine.
        limits.turn_micros = 60_000_000;
        let memory = guest_memory(32 << 20);
        let config = DeviceConfig {
            scanouts: SCANOUTS,
            limits,
            ..DeviceConfig::default()
        };
        let mut device = Device::new(config, Screen::new(SCANOUTS)).unwrap();
        device.set_memory(memory.clone());
        let mut pair = Self {
            device,
            driver: Driver::new(memory),
            model: Model::new(CAPS, SCANOUTS, MEMORY as usize),
            mood: Mood::Ready,
        };
        pair.start();
        pair
    }

    fn start(&mut self) {
        for queue in [QueueIndex::Control, QueueIndex::Cursor] {
            self.driver.ring(queue).restart();
            let setup = self.driver.ring(queue).setup();
            let _ = self.device.start_queue(queue, &setup).unwrap();
        }
    }

    fn carry_out(&mut self, event: &Event) -> TestCaseResult {
        match event {
            Event::Batch(operations) => {
                for queue in [QueueIndex::Control, QueueIndex::Cursor] {
                    self.batch(queue, operations)?;
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
                self.compare()
            }
            Event::Reset => {
                self.device.reset();
                self.start();
                let memory = self.model.memory().to_vec();
                self.model = Model::new(CAPS, SCANOUTS, MEMORY as usize);
                self.model.write(0, &memory);
                self.compare()
            }
        }
    }

    /// Has the device and the model carry out the commands of one queue.
    fn batch(&mut self, queue: QueueIndex, operations: &[(Operation, bool)]) -> TestCaseResult {
        let mut expected = Vec::new();
        for (operation, fenced) in operations {
            let mut request = message(operation);
            if request.queue != queue {
                continue;
            }
            if *fenced {
                request = request.fenced(FENCE);
            }
            let sent = self.driver.send_bytes(queue, &request.bytes, 24);
            let refusals = self.model.refusals(operation);
            if refusals.is_empty() {
                self.model.apply(operation);
            }
            expected.push((sent, refusals, operation, *fenced));
        }
        let _ = self.device.process_queue(queue, Instant::now());
        let answers = self.driver.take_answers(queue);
        prop_assert_eq!(answers.len(), expected.len());
        for (answer, (sent, refusals, operation, fenced)) in answers.iter().zip(expected) {
            prop_assert_eq!(answer.sent, sent, "answers come in order");
            let (header, _) = answer.decode();
            let accepted = match refusals[..] {
                [] => header.kind == 0x1100,
                _ => refusals.contains(&header.kind),
            };
            prop_assert!(
                accepted,
                "{operation:?} was answered with {:#x}, not with one of {refusals:x?}",
                header.kind
            );
            let fence = if fenced { (1, FENCE) } else { (0, 0) };
            prop_assert_eq!((header.flags.bits(), header.fence_id), fence);
        }
        Ok(())
    }

    /// Compares what can be seen, and takes over what the display shows where it has a choice.
    fn compare(&mut self) -> TestCaseResult {
        let backend = self.device.backend();
        prop_assert_eq!(backend.resources().len(), self.model.resources());
        prop_assert_eq!(backend.resources().host_bytes(), self.model.host_bytes());
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
                for (place, ((now, before), (newest, older_will_do))) in pixels.enumerate() {
                    let right = *now == newest || older_will_do && now == before;
                    prop_assert!(right, "pixel {place} is {now:06x}, not {newest:06x}");
                }
            }
            other => prop_assert!(false, "scanout {index}: {other:?}"),
        }
        match (&cursor_image, self.model.newest_cursor(index)) {
            (None, None) => {}
            (Some(now), Some((newest, older_will_do))) => {
                let older = older_will_do && Some(now) == model.cursor.displayed.as_ref();
                prop_assert!(*now == newest || older, "the cursor of scanout {index}");
            }
            other => prop_assert!(false, "the cursor of scanout {index}: {other:?}"),
        }
        self.model.settle(index, shown, cursor_image);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_device_does_what_the_model_does(
        events in proptest::collection::vec(event(), 1..80)
    ) {
        let mut pair = Pair::new();
        for event in &events {
            pair.carry_out(event)?;
        }
    }
}
