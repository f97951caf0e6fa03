//! A picture that a display still reads stays as it is while the guest draws the next.
#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use gpu_buffer::{
    Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Image, ImageRequest, Layout,
    MemfdAllocator, Rect, ScatterList,
};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use virtio_gpu::Limits;
use virtio_gpu::pixels::{Keep, TransferEnd};
use virtio_gpu::protocol::ResourceId;
use virtio_gpu::resource::ResourceTable;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const ID: ResourceId = ResourceId(1);

/// A resource of two pixels side by side, and its backing.
fn two_pixels() -> (ResourceTable, GuestMemoryMmap) {
    let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 4096)]).unwrap();
    let layout = Layout::packed(2, 1, DrmFourcc::Xrgb8888).unwrap();
    let mut table = ResourceTable::default();
    table.create(ID, layout, &Limits::default()).unwrap();
    let backing = ScatterList::resolve(&memory, [(0, 8)].into_iter()).unwrap();
    table.attach(ID, backing, &Limits::default()).unwrap();
    (table, memory)
}

fn draw(table: &mut ResourceTable, memory: &GuestMemoryMmap, pixels: [u8; 8], rect: Rect) {
    memory.write_slice(&pixels, GuestAddress(0)).unwrap();
    let offset = u64::from(rect.x) * 4;
    let resource = table.get(ID).unwrap();
    resource
        .transfer(ID, &mut AnonymousAllocator, offset, rect)
        .unwrap();
    let pixels = resource.host().unwrap();
    pixels.end_transfer(TransferEnd::Done, Keep::Nothing);
}

fn picture(table: &mut ResourceTable) -> Arc<Buffer> {
    let resource = table.get(ID).unwrap();
    Arc::clone(
        resource
            .host()
            .unwrap()
            .current(&mut AnonymousAllocator)
            .unwrap(),
    )
}

fn bytes(buffer: &Buffer) -> [u8; 8] {
    let mut bytes = [0; 8];
    buffer.memory().copy_to(&mut bytes[..]);
    bytes
}

#[test]
fn a_kept_picture_does_not_change_when_all_of_it_is_drawn_anew() {
    let (mut table, memory) = two_pixels();
    draw(&mut table, &memory, [1; 8], Rect::from_size(2, 1));
    let kept = picture(&mut table);

    draw(&mut table, &memory, [2; 8], Rect::from_size(2, 1));

    assert_eq!(bytes(&kept), [1; 8]);
    assert_eq!(bytes(&picture(&mut table)), [2; 8]);
}

#[test]
fn what_is_not_drawn_anew_is_as_in_the_kept_picture() {
    let (mut table, memory) = two_pixels();
    draw(&mut table, &memory, [1; 8], Rect::from_size(2, 1));
    let kept = picture(&mut table);

    draw(&mut table, &memory, [2; 8], Rect::new(1, 0, 1, 1));

    assert_eq!(bytes(&kept), [1; 8]);
    assert_eq!(bytes(&picture(&mut table)), [1, 1, 1, 1, 2, 2, 2, 2]);
}

#[test]
fn a_failed_transfer_leaves_the_picture_as_it_was() {
    let (mut table, memory) = two_pixels();
    draw(&mut table, &memory, [1; 8], Rect::from_size(2, 1));
    let _kept = picture(&mut table);
    memory.write_slice(&[2; 8], GuestAddress(0)).unwrap();

    let resource = table.get(ID).unwrap();
    let beyond = resource.transfer(ID, &mut AnonymousAllocator, 4, Rect::from_size(2, 1));
    let pixels = resource.host().unwrap();
    pixels.end_transfer(TransferEnd::Failed, Keep::Nothing);

    assert!(beyond.is_err());
    assert_eq!(bytes(&picture(&mut table)), [1; 8]);
}

#[test]
fn a_transfer_in_parts_shows_once_all_of_it_is_there() {
    let (mut table, memory) = two_pixels();
    draw(&mut table, &memory, [1; 8], Rect::from_size(2, 1));
    let _kept = picture(&mut table);
    memory.write_slice(&[2; 8], GuestAddress(0)).unwrap();
    let parts = [(0, Rect::new(0, 0, 1, 1)), (4, Rect::new(1, 0, 1, 1))];

    let resource = table.get(ID).unwrap();
    let pixels = resource.host().unwrap();
    pixels
        .begin_transfer(&mut AnonymousAllocator, Rect::from_size(2, 1))
        .unwrap();
    for (offset, rect) in parts {
        let resource = table.get(ID).unwrap();
        resource
            .transfer(ID, &mut AnonymousAllocator, offset, rect)
            .unwrap();
        assert_eq!(bytes(&picture(&mut table)), [1; 8]);
    }
    let pixels = table.get(ID).unwrap().host().unwrap();
    pixels.end_transfer(TransferEnd::Done, Keep::Nothing);

    assert_eq!(bytes(&picture(&mut table)), [2; 8]);
}

#[test]
fn a_picture_that_is_kept_in_the_middle_of_a_transfer_stays_as_it_was_then() {
    let (mut table, memory) = two_pixels();
    draw(&mut table, &memory, [1; 8], Rect::from_size(2, 1));
    memory.write_slice(&[2; 8], GuestAddress(0)).unwrap();
    let resource = table.get(ID).unwrap();
    let transferred = resource.transfer(ID, &mut AnonymousAllocator, 0, Rect::new(0, 0, 1, 1));
    transferred.unwrap();
    let kept = picture(&mut table);

    let resource = table.get(ID).unwrap();
    let transferred = resource.transfer(ID, &mut AnonymousAllocator, 4, Rect::new(1, 0, 1, 1));
    transferred.unwrap();
    let pixels = resource.host().unwrap();
    pixels.end_transfer(TransferEnd::Done, Keep::Nothing);

    assert_eq!(bytes(&kept), [2, 2, 2, 2, 1, 1, 1, 1]);
    assert_eq!(bytes(&picture(&mut table)), [2; 8]);
}

#[test]
fn a_picture_that_nobody_keeps_is_drawn_in_place() {
    let (mut table, memory) = two_pixels();
    draw(&mut table, &memory, [1; 8], Rect::from_size(2, 1));
    let before = Arc::as_ptr(&picture(&mut table));

    draw(&mut table, &memory, [2; 8], Rect::from_size(2, 1));

    assert_eq!(Arc::as_ptr(&picture(&mut table)), before);
}

/// A resource that is shown by a display which keeps some pictures.
struct Shown {
    table: ResourceTable,
    memory: GuestMemoryMmap,
    allocator: Counting,
    kept: VecDeque<Arc<Buffer>>,
    /// Pictures that the display keeps at most.
    keeps: usize,
}

/// Counts the buffers that were ever made, and has them as files.
#[derive(Debug, Default)]
struct Counting(usize);

impl Allocator for Counting {
    fn allocate(&mut self, request: &BufferRequest) -> Result<Buffer, gpu_buffer::Error> {
        self.0 += 1;
        MemfdAllocator.allocate(request)
    }

    fn create(&mut self, request: &ImageRequest) -> Result<Image, gpu_buffer::Error> {
        MemfdAllocator.create(request)
    }
}

const SIDE: u32 = 4;

impl Shown {
    /// A picture of 4x4.
    fn new(keeps: usize) -> Self {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 4096)]).unwrap();
        let layout = Layout::packed(SIDE, SIDE, DrmFourcc::Xrgb8888).unwrap();
        let mut table = ResourceTable::default();
        table.create(ID, layout, &Limits::default()).unwrap();
        let backing = ScatterList::resolve(&memory, [(0, 64)].into_iter()).unwrap();
        table.attach(ID, backing, &Limits::default()).unwrap();
        Self {
            table,
            memory,
            allocator: Counting::default(),
            kept: VecDeque::new(),
            keeps,
        }
    }

    /// The guest draws a rectangle of one colour and flushes it; the display takes the picture.
    fn draw(&mut self, rect: Rect, colour: u8) -> Arc<Buffer> {
        let rows = self.memory.write_slice(&[colour; 64], GuestAddress(0));
        rows.unwrap();
        let resource = self.table.get(ID).unwrap();
        let offset = u64::from(rect.y * SIDE + rect.x) * 4;
        let drawn = resource.transfer(ID, &mut self.allocator, offset, rect);
        drawn.unwrap();
        let pixels = resource.host().unwrap();
        pixels.end_transfer(TransferEnd::Done, Keep::Spare);
        let shown = Arc::clone(pixels.current(&mut self.allocator).unwrap());
        self.kept.push_back(Arc::clone(&shown));
        if self.kept.len() > self.keeps {
            self.kept.pop_front();
        }
        shown
    }
}

/// The first byte of each pixel.
fn colours(buffer: &Buffer) -> Vec<u8> {
    let mut bytes = [0; 64];
    buffer.memory().copy_to(&mut bytes[..]);
    bytes.iter().copied().step_by(4).collect()
}

#[test]
fn two_pictures_that_a_display_keeps_cost_one_more_buffer() {
    // The one on the screen, and the one on its way to it.
    let mut shown = Shown::new(2);

    for colour in 0..100 {
        shown.draw(Rect::from_size(SIDE, SIDE), colour);
    }

    assert_eq!(shown.allocator.0, 3);
}

#[test]
fn memory_is_bounded_if_a_display_keeps_ever_more() {
    let mut shown = Shown::new(50);
    let alive = |made: &[Weak<Buffer>]| made.iter().filter(|one| one.strong_count() > 0).count();

    let made: Vec<_> = (0..50)
        .map(|colour| Arc::downgrade(&shown.draw(Rect::from_size(SIDE, SIDE), colour)))
        .collect();
    assert_eq!(alive(&made), 50);
    shown.kept.clear();

    // The current picture, and two for the next.
    assert_eq!(alive(&made), 3);
}

#[test]
fn what_a_kept_buffer_shows_already_is_not_copied_again() {
    let mut shown = Shown::new(1);
    shown.draw(Rect::from_size(SIDE, SIDE), 1);
    let first = Arc::downgrade(&shown.draw(Rect::new(0, 0, 1, 1), 2));
    shown.draw(Rect::new(1, 0, 1, 1), 3);
    // A mark in the buffer that comes next, where it is up to date.
    let next = first.upgrade().unwrap();
    next.memory().write_slice(&[9; 4], 60).unwrap();
    drop(next);

    let picture = shown.draw(Rect::new(2, 0, 1, 1), 4);

    assert_eq!(Arc::as_ptr(&picture), first.as_ptr());
    assert_eq!(
        colours(&picture),
        [2, 3, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9]
    );
}

#[test]
fn a_transfer_that_fails_leaves_nothing_of_itself_in_later_pictures() {
    let mut shown = Shown::new(1);
    shown.draw(Rect::from_size(SIDE, SIDE), 1);
    shown.memory.write_slice(&[9; 64], GuestAddress(0)).unwrap();
    let pixels = shown.table.get(ID).unwrap().host().unwrap();
    let begun = pixels.begin_transfer(&mut shown.allocator, Rect::from_size(SIDE, SIDE));
    begun.unwrap();
    let resource = shown.table.get(ID).unwrap();
    let half = resource.transfer(ID, &mut shown.allocator, 0, Rect::from_size(SIDE, 2));
    half.unwrap();
    let pixels = resource.host().unwrap();
    pixels.end_transfer(TransferEnd::Failed, Keep::Spare);

    let picture = shown.draw(Rect::new(3, 3, 1, 1), 2);

    assert_eq!(
        colours(&picture),
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]
    );
}

/// A part of a picture of 4x4.
fn parts() -> impl Strategy<Value = Rect> {
    (0..SIDE, 0..SIDE).prop_flat_map(|(x, y)| {
        (1..=SIDE - x, 1..=SIDE - y).prop_map(move |(width, height)| Rect::new(x, y, width, height))
    })
}

proptest! {
    #[test]
    fn whatever_a_display_keeps_each_picture_is_what_was_drawn(
        keeps in 0_usize..5,
        drawings in vec((parts(), 0_u8..255, any::<bool>()), 1..40),
    ) {
        let mut shown = Shown::new(keeps);
        let mut expected = [0; 16];
        for (rect, colour, forgets) in drawings {
            if forgets {
                shown.kept.clear();
            }
            let old: Vec<_> = shown.kept.iter().map(|kept| colours(kept)).collect();
            let kept: Vec<_> = shown.kept.iter().cloned().collect();
            for y in rect.y..rect.y + rect.height {
                for x in rect.x..rect.x + rect.width {
                    expected[(y * SIDE + x) as usize] = colour;
                }
            }

            let picture = shown.draw(rect, colour);

            prop_assert_eq!(colours(&picture), expected);
            let still: Vec<_> = kept.iter().map(|kept| colours(kept)).collect();
            prop_assert_eq!(still, old);
        }
    }
}
