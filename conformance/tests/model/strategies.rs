//! What happens at random.

use conformance::model::Way;
use gpu_buffer::Rect;
use proptest::prelude::*;

use crate::intent::{Context, Event, Fence, Id, Intent, Memory, Offset, Part};
use crate::pair::{MEMORY, SCANOUTS};

/// Which commands a guest uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commands {
    Of2d,
    All,
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

fn context() -> impl Strategy<Value = Context> {
    prop_oneof![
        12 => any::<prop::sample::Index>().prop_map(Context::Live),
        2 => (0..=4_u32).prop_map(Context::Named),
        1 => any::<u32>().prop_map(Context::Named),
    ]
}

fn new_context() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1..=4_u32, 1 => Just(0)]
}

/// Commands of 3D.
fn rendering() -> impl Strategy<Value = Intent> {
    let way = || prop_oneof![Just(Way::ToHost), Just(Way::FromHost)];
    let within = || prop_oneof![4 => context(), 1 => Just(Context::Named(0))];
    let fill = (id(), any::<u32>());
    prop_oneof![
        2 => new_context().prop_map(Intent::CreateContext),
        1 => context().prop_map(Intent::DestroyContext),
        6 => (context(), id()).prop_map(|(context, id)| Intent::AttachTo(context, id)),
        1 => (context(), id()).prop_map(|(context, id)| Intent::DetachFrom(context, id)),
        2 => (new_id(), length(), length())
            .prop_map(|(id, width, height)| Intent::Create3d(id, width, height)),
        4 => (way(), within(), id(), part(), offset()).prop_map(
            |(way, context, id, part, at)| Intent::Transfer3d(way, context, id, part, at)
        ),
        4 => (context(), proptest::option::of(fill))
            .prop_map(|(context, fill)| Intent::Submit(context, fill)),
    ]
}

fn intent(commands: Commands) -> BoxedStrategy<Intent> {
    match commands {
        Commands::Of2d => drawing().boxed(),
        Commands::All => prop_oneof![3 => drawing(), 2 => rendering()].boxed(),
    }
}

fn fence() -> impl Strategy<Value = Fence> {
    prop_oneof![
        4 => Just(Fence::None),
        4 => Just(Fence::Global),
        1 => (0..=63_u8).prop_map(Fence::Ring),
    ]
}

/// Commands of 2D.
fn drawing() -> impl Strategy<Value = Intent> {
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

/// Something that happens.
pub fn event(commands: Commands) -> impl Strategy<Value = Event> {
    let batch = proptest::collection::vec((intent(commands), fence()), 1..=4);
    prop_oneof![
        24 => batch.prop_map(Event::Batch),
        6 => (0..MEMORY - 256, any::<u8>()).prop_map(|(at, byte)| Event::Paint(at, byte)),
        1 => Just(Event::Busy),
        3 => Just(Event::Ready),
        1 => Just(Event::Rest),
        1 => Just(Event::Reset),
    ]
}
