//! What the guest draws in tests.

use gpu_buffer::Rect;
use virtio_gpu::protocol::command::ResourceCreate2d;
use virtio_gpu::protocol::{Command, ResourceId, ScanoutId};
use virtio_gpu::testing::{Driver, entry};

use conformance::front_end::FrontEnd;
use conformance::gpu_socket::{GpuMessage, GpuSocket, SCANOUT, UPDATE};

pub const IMAGE: ResourceId = ResourceId(1);
pub const CURSOR: ResourceId = ResourceId(2);
pub const SCREEN: ScanoutId = ScanoutId(0);

/// VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM and VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM.
pub const B8G8R8X8: u32 = 2;
pub const B8G8R8A8: u32 = 1;

/// A pixel that names its place: blue is the column, green the row, red the picture.
pub fn pixel(x: u32, y: u32, picture: u8) -> [u8; 4] {
    [x as u8, y as u8, picture, 0xff]
}

pub fn picture(rect: Rect, number: u8) -> Vec<u8> {
    (rect.y..rect.y + rect.height)
        .flat_map(|y| (rect.x..rect.x + rect.width).flat_map(move |x| pixel(x, y, number)))
        .collect()
}

/// The pixels without their fourth byte, which means nothing.
pub fn colours(pixels: &[u8]) -> Vec<[u8; 3]> {
    pixels
        .as_chunks::<4>()
        .0
        .iter()
        .map(|[blue, green, red, _]| [*blue, *green, *red])
        .collect()
}

/// Creates the image and puts the guest's memory behind it.
pub fn create(
    front_end: &mut FrontEnd,
    resource: ResourceId,
    format: u32,
    width: u32,
    height: u32,
) {
    let entries = [entry(Driver::FREE, width * height * 4)];
    front_end.succeed(&[
        Command::ResourceCreate2d(ResourceCreate2d {
            resource,
            format,
            width,
            height,
        }),
        Command::ResourceAttachBacking {
            resource,
            entries: &entries,
        },
    ]);
}

pub fn transfer(rect: Rect, width: u32) -> Command<'static> {
    Command::TransferToHost2d {
        rect,
        offset: u64::from(rect.y * width + rect.x) * 4,
        resource: IMAGE,
    }
}

pub fn set_scanout(width: u32, height: u32) -> Command<'static> {
    Command::SetScanout {
        rect: Rect::from_size(width, height),
        scanout: SCREEN,
        resource: Some(IMAGE),
    }
}

pub fn flush(rect: Rect) -> Command<'static> {
    Command::ResourceFlush {
        rect,
        resource: IMAGE,
    }
}

/// Carries out commands that the device sees together: no earlier kick is left that has it look between two of them.
pub fn together(front_end: &mut FrontEnd, commands: &[Command<'_>]) {
    front_end.synchronize();
    front_end.succeed(commands);
}

/// Shows a picture of this size; what the front end got of it has been read.
pub fn show(front_end: &mut FrontEnd, gpu: &mut GpuSocket, width: u32, height: u32) {
    let whole = Rect::from_size(width, height);
    create(front_end, IMAGE, B8G8R8X8, width, height);
    front_end.write_image(0, &picture(whole, 1));
    together(
        front_end,
        &[
            transfer(whole, width),
            set_scanout(width, height),
            flush(whole),
        ],
    );
    assert_eq!(gpu.message().request, SCANOUT);
    assert_eq!(gpu.message().request, UPDATE);
}

/// Checks that an UPDATE has the words of `rect` and the pixels of picture `number` there.
pub fn assert_update(update: &GpuMessage, rect: Rect, number: u8) {
    assert_eq!(update.request, UPDATE);
    assert_eq!(
        update.words(5),
        [0, rect.x, rect.y, rect.width, rect.height]
    );
    assert!(
        colours(&update.payload[20..]) == colours(&picture(rect, number)),
        "pixels of {rect:?}"
    );
}
