//! What the guest draws: the same picture with a driver of 2D and with one of 3D.

use conformance::front_end::FrontEnd;
use conformance::message_3d::{TEXTURE_2D, all_of};
use conformance::wait::wait_until;
use gpu_buffer::Rect;
use gpu_renderer::testing::stream::{Stream, bind, format};
use kms_probe::pattern;
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{
    Command, ContextId, ResourceCreate2d, ResourceCreate3d, ResourceId, ScanoutId,
};
use virtio_gpu::testing::{Driver, entry, header};

use crate::window::bytes_of;

/// Of the screen.
pub(super) const SIZE: (u32, u32) = (256, 256);
/// Which patterns are shown, one after the other.
const SEEDS: [u32; 2] = [3, 4];

const PICTURE: ResourceId = ResourceId(1);
const CONTEXT: ContextId = ContextId(1);

/// `VIRGL_BIND_SCANOUT` and `VIRGL_BIND_SHARED`, as Linux has them on what it scans out.
const BIND_SCREEN: u32 = 1 << 18 | 1 << 20;

/// Shows the patterns with TRANSFER_TO_HOST_2D.
pub(super) fn draw_in_2d(front_end: &mut FrontEnd) {
    let whole = Rect::from_size(SIZE.0, SIZE.1);
    front_end.succeed(&[
        Command::ResourceCreate2d(ResourceCreate2d {
            resource: PICTURE,
            format: format::B8G8R8X8_UNORM,
            width: SIZE.0,
            height: SIZE.1,
        }),
        Command::ResourceAttachBacking {
            resource: PICTURE,
            entries: &[entry(Driver::FREE, SIZE.0 * SIZE.1 * 4)],
        },
    ]);
    for seed in SEEDS {
        write(front_end, seed);
        front_end.succeed(&[
            Command::TransferToHost2d {
                rect: whole,
                offset: 0,
                resource: PICTURE,
            },
            set_scanout(),
            flush(),
        ]);
    }
}

/// The same with TRANSFER_TO_HOST_3D, over what a command stream has drawn.
pub(super) fn draw_in_3d(front_end: &mut FrontEnd) {
    let create = ResourceCreate3d {
        resource: PICTURE,
        target: TEXTURE_2D,
        format: format::B8G8R8X8_UNORM,
        bind: bind::RENDER_TARGET | bind::SAMPLER_VIEW | BIND_SCREEN,
        width: SIZE.0,
        height: SIZE.1,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: 0,
    };
    for command in [
        Command::CtxCreate {
            name: b"buffer-probe",
            context_init: 0,
        },
        Command::ResourceCreate3d(create),
        Command::ResourceAttachBacking {
            resource: PICTURE,
            entries: &[entry(Driver::FREE, SIZE.0 * SIZE.1 * 4)],
        },
        Command::CtxAttachResource { resource: PICTURE },
    ] {
        execute(front_end, &command);
    }
    let mut stream = Stream::new();
    stream
        .surface(1, PICTURE.0, format::B8G8R8X8_UNORM)
        .framebuffer(&[1])
        .clear([1.0, 0.0, 0.0, 1.0]);
    let commands: Vec<u8> = stream
        .words()
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    execute(
        front_end,
        &Command::Submit3d {
            commands: &commands,
        },
    );
    for seed in SEEDS {
        write(front_end, seed);
        let mut transfer = all_of(PICTURE.0, SIZE.0, SIZE.1);
        // The last row stays as the stream has drawn it.
        transfer.region.height -= 1;
        execute(front_end, &Command::TransferToHost3d(transfer));
        execute(front_end, &set_scanout());
        execute(front_end, &flush());
    }
}

fn set_scanout() -> Command<'static> {
    Command::SetScanout {
        rect: Rect::from_size(SIZE.0, SIZE.1),
        scanout: ScanoutId(0),
        resource: Some(PICTURE),
    }
}

fn flush() -> Command<'static> {
    Command::ResourceFlush {
        rect: Rect::from_size(SIZE.0, SIZE.1),
        resource: PICTURE,
    }
}

/// Puts a pattern into the guest's memory.
fn write(front_end: &FrontEnd, seed: u32) {
    let bytes: Vec<u8> = bytes_of(&pattern(SIZE.0, SIZE.1, seed)).flatten().collect();
    front_end.write_image(0, &bytes);
}

/// Has a command of the context carried out.
fn execute(front_end: &mut FrontEnd, command: &Command<'_>) {
    let mut header = header(command, None);
    header.context = CONTEXT;
    let request = command.encode(&header);
    let driver = &mut front_end.guest.driver;
    driver.send_bytes(QueueIndex::Control, &request, 24);
    front_end.guest.kick(QueueIndex::Control);
    let mut answers = Vec::new();
    let driver = &mut front_end.guest.driver;
    wait_until("an answer", || {
        answers.extend(driver.take_answers(QueueIndex::Control));
        driver.in_flight() == 0
    });
    for answer in answers {
        let outcome = answer.outcome();
        assert!(outcome.is_ok(), "{}: {outcome:?}", command.name());
    }
}
