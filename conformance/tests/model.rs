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
    Batch(Vec<(Intent, bool)>),
    /// The guest writes this byte and its successors.
    Paint(u32, u8),
    /// The display takes no frames.
    Busy,
    /// It takes them again.
    Ready,
    /// The driver resets the device.
    Reset,
}

/// A command whose ids and places are chosen when its turn comes, so that most commands are about
/// what is there.
#[derive(Debug, Clone)]
enum Intent {
    Create(Id, u32, u32, u32),
    Unref(Id),
    Attach(Id, Memory),
    Detach(Id),
    Transfer(Id, Part, Offset),
    SetScanout(u32, Id, Part),
    Darken(u32),
    Flush(Id, Part),
    UpdateCursor(u32, Id, (u32, u32), (i32, i32)),
    MoveCursor(u32, (i32, i32)),
}

/// Which resource.
#[derive(Debug, Clone)]
enum Id {
    /// One of those there are.
    Live(prop::sample::Index),
    /// This one.
    Named(u32),
}

/// Which part of a resource.
#[derive(Debug, Clone)]
enum Part {
    /// One that lies inside: the corners are picked among its pixels.
    Inside([prop::sample::Index; 4]),
    /// This one.
    Named(Rect),
}

/// Which memory.
#[derive(Debug, Clone)]
enum Memory {
    /// As much as the resource needs, in pieces that begin here.
    Enough(Vec<u32>),
    /// This.
    Named(Vec<(u32, u32)>),
}

/// Where in the backing.
#[derive(Debug, Clone)]
enum Offset {
    /// Where the part has its pixels, as Linux says it.
    OfThePart,
    /// Here.
    Named(u64),
}

impl Intent {
    fn resolve(&self, model: &Model) -> Operation {
        let live = |id: &Id| match id {
            Id::Named(id) => *id,
            Id::Live(index) if model.resources() > 0 => *index.get(&model.ids()),
            Id::Live(_) => 1,
        };
        let part = |id: u32, part: &Part| match (part, model.size(id)) {
            (Part::Inside([left, top, width, height]), Some((w, h))) => {
                let (x, y) = (left.index(w as usize) as u32, top.index(h as usize) as u32);
                let width = 1 + width.index((w - x) as usize) as u32;
                let height = 1 + height.index((h - y) as usize) as u32;
                Rect::new(x, y, width, height)
            }
            (Part::Inside(_), None) => Rect::new(0, 0, 1, 1),
            (Part::Named(rect), _) => *rect,
        };
        match self {
            Self::Create(id, format, width, height) => Operation::Create {
                id: live(id),
                format: *format,
                width: *width,
                height: *height,
            },
            Self::Unref(id) => Operation::Unref(live(id)),
            Self::Attach(id, memory) => {
                let id = live(id);
                let entries = match memory {
                    Memory::Named(entries) => entries.clone(),
                    Memory::Enough(places) => {
                        let (width, height) = model.size(id).unwrap_or((1, 1));
                        let piece = (width * height * 4).div_ceil(places.len() as u32);
                        places.iter().map(|at| (*at, piece)).collect()
                    }
                };
                Operation::Attach(id, entries)
            }
            Self::Detach(id) => Operation::Detach(live(id)),
            Self::Transfer(id, rect, offset) => {
                let id = live(id);
                let rect = part(id, rect);
                let offset = match (offset, model.size(id)) {
                    (Offset::OfThePart, Some((width, _))) => {
                        (u64::from(rect.y) * u64::from(width) + u64::from(rect.x)) * 4
                    }
                    (Offset::OfThePart, None) => 0,
                    (Offset::Named(offset), _) => *offset,
                };
                Operation::Transfer(id, rect, offset)
            }
            Self::SetScanout(scanout, id, rect) => {
                let id = live(id);
                Operation::SetScanout(*scanout, id, part(id, rect))
            }
            Self::Darken(scanout) => Operation::SetScanout(*scanout, 0, Rect::default()),
            Self::Flush(id, rect) => {
                let id = live(id);
                Operation::Flush(id, part(id, rect))
            }
            Self::UpdateCursor(scanout, id, hot, at) => Operation::UpdateCursor {
                scanout: *scanout,
                id: live(id),
                hot: *hot,
                at: *at,
            },
            Self::MoveCursor(scanout, at) => Operation::MoveCursor(*scanout, *at),
        }
    }
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        12 => any::<prop::sample::Index>().prop_map(Id::Live),
        2 => (0..=6_u32).prop_map(Id::Named),
        1 => any::<u32>().prop_map(Id::Named),
    ]
}

fn new_id() -> impl Strategy<Value = Id> {
    prop_oneof![8 => 1..=6_u32, 1 => Just(0)].prop_map(Id::Named)
}

fn scanout() -> impl Strategy<Value = u32> {
    prop_oneof![16 => 0..SCANOUTS, 1 => Just(SCANOUTS), 1 => any::<u32>()]
}

fn length() -> impl Strategy<Value = u32> {
    prop_oneof![24 => 1..=16_u32, 1 => Just(0), 1 => 17..=20_u32, 1 => any::<u32>()]
}

fn edge() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..=16_u32, 1 => any::<u32>()]
}

fn part() -> impl Strategy<Value = Part> {
    let named = (edge(), edge(), length(), length())
        .prop_map(|(x, y, width, height)| Part::Named(Rect::new(x, y, width, height)));
    prop_oneof![6 => any::<[prop::sample::Index; 4]>().prop_map(Part::Inside), 1 => named]
}

fn format() -> impl Strategy<Value = u32> {
    let known = proptest::sample::select(vec![1_u32, 2, 3, 4, 67, 68, 121, 134]);
    prop_oneof![16 => known, 1 => any::<u32>()]
}

fn offset() -> impl Strategy<Value = Offset> {
    prop_oneof![
        6 => Just(Offset::OfThePart),
        2 => (0..600_u64).prop_map(Offset::Named),
        1 => any::<u64>().prop_map(Offset::Named),
    ]
}

fn memory() -> impl Strategy<Value = Memory> {
    let places = proptest::collection::vec(0..MEMORY - 1024, 1..=4);
    let entry = (0..MEMORY - 1024, 0..=1024_u32);
    prop_oneof![
        4 => places.prop_map(Memory::Enough),
        1 => proptest::collection::vec(entry, 1..=5).prop_map(Memory::Named),
    ]
}

fn intent() -> impl Strategy<Value = Intent> {
    let place = || {
        let near = || prop_oneof![8 => -20..20_i32, 1 => any::<i32>()];
        (near(), near())
    };
    let hot = (0..20_u32, prop_oneof![8 => 0..20_u32, 1 => any::<u32>()]);
    prop_oneof![
        4 => (new_id(), format(), length(), length())
            .prop_map(|(id, format, width, height)| Intent::Create(id, format, width, height)),
        1 => id().prop_map(Intent::Unref),
        4 => (id(), memory()).prop_map(|(id, memory)| Intent::Attach(id, memory)),
        1 => id().prop_map(Intent::Detach),
        6 => (id(), part(), offset()).prop_map(|(id, part, at)| Intent::Transfer(id, part, at)),
        4 => (scanout(), id(), part()).prop_map(|(on, id, part)| Intent::SetScanout(on, id, part)),
        1 => scanout().prop_map(Intent::Darken),
        6 => (id(), part()).prop_map(|(id, part)| Intent::Flush(id, part)),
        3 => (scanout(), id(), hot, place())
            .prop_map(|(scanout, id, hot, at)| Intent::UpdateCursor(scanout, id, hot, at)),
        2 => (scanout(), place()).prop_map(|(scanout, at)| Intent::MoveCursor(scanout, at)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        24 => proptest::collection::vec((intent(), any::<bool>()), 1..=4).prop_map(Event::Batch),
        6 => (0..MEMORY - 256, any::<u8>()).prop_map(|(at, byte)| Event::Paint(at, byte)),
        1 => Just(Event::Busy),
        3 => Just(Event::Ready),
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
    fn batch(&mut self, queue: QueueIndex, intents: &[(Intent, bool)]) -> TestCaseResult {
        let mut expected = Vec::new();
        for (intent, fenced) in intents {
            let operation = intent.resolve(&self.model);
            let mut request = message(&operation);
            if request.queue != queue {
                continue;
            }
            if *fenced {
                request = request.fenced(FENCE);
            }
            let sent = self.driver.send_bytes(queue, &request.bytes, 24);
            let refusals = self.model.refusals(&operation);
            if refusals.is_empty() {
                self.model.apply(&operation);
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
