//! A picture that a display still reads stays as it is while the guest draws the next.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use gpu_buffer::{AnonymousAllocator, Buffer, DrmFourcc, Layout, Rect, ScatterList};
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
