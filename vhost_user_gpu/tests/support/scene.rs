//! What the guest draws in 3D: one context, one picture, one buffer for corners.

use gpu_renderer::testing::stream::{Stream, Target, bind, format};
use virtio_gpu::QueueIndex;
use virtio_gpu::protocol::{
    Box3, Command, ContextId, ResourceCreate3d, ResourceId, Success, Transfer3d,
};
use virtio_gpu::testing::{Answer, Driver, entry, header};

use conformance::front_end::FrontEnd;
use conformance::wait::wait_until;
use vm_memory::{Bytes, GuestAddress};

pub const CONTEXT: ContextId = ContextId(1);
pub const PICTURE: ResourceId = ResourceId(10);
pub const CORNERS: ResourceId = ResourceId(11);

/// `PIPE_BUFFER` and `PIPE_TEXTURE_2D`.
const BUFFER: u32 = 0;
const TEXTURE_2D: u32 = 2;

/// Makes a command of the context available.
pub fn send(front_end: &mut FrontEnd, command: &Command<'_>, fence: Option<u64>) {
    let mut header = header(command, fence);
    header.context = CONTEXT;
    let room = match command {
        Command::GetCapset { .. } => 24 + 4096,
        Command::GetCapsetInfo { .. } => 40,
        _ => 24,
    };
    let request = command.encode(&header);
    let driver = &mut front_end.guest.driver;
    driver.send_bytes(QueueIndex::Control, &request, room);
}

/// Kicks, and waits for all answers.
pub fn answers(front_end: &mut FrontEnd) -> Vec<Answer> {
    front_end.guest.kick(QueueIndex::Control);
    let mut answers = Vec::new();
    let driver = &mut front_end.guest.driver;
    wait_until("answers to all commands", || {
        answers.extend(driver.take_answers(QueueIndex::Control));
        driver.in_flight() == 0
    });
    answers
}

/// Has a command of the context carried out.
pub fn execute(front_end: &mut FrontEnd, command: &Command<'_>) -> Answer {
    send(front_end, command, None);
    answers(front_end).remove(0)
}

/// Has commands of the context carried out, which must succeed.
pub fn succeed(front_end: &mut FrontEnd, commands: &[Command<'_>]) {
    for command in commands {
        let answer = execute(front_end, command);
        assert!(answer.outcome().is_ok(), "{}: {answer:?}", command.name());
    }
}

/// The context, a square picture with guest memory behind it, and the corners.
pub fn prepare(front_end: &mut FrontEnd, side: u32) {
    let picture = ResourceCreate3d {
        resource: PICTURE,
        target: TEXTURE_2D,
        format: format::B8G8R8A8_UNORM,
        bind: bind::RENDER_TARGET | bind::SAMPLER_VIEW,
        width: side,
        height: side,
        depth: 1,
        array_size: 1,
        last_level: 0,
        samples: 0,
        flags: 0,
    };
    let corners = ResourceCreate3d {
        resource: CORNERS,
        target: BUFFER,
        format: format::R8_UNORM,
        bind: bind::VERTEX_BUFFER,
        width: 4096,
        height: 1,
        ..picture
    };
    let entries = [entry(Driver::FREE, side * side * 4)];
    succeed(
        front_end,
        &[
            Command::CtxCreate {
                name: b"test",
                context_init: 0,
            },
            Command::ResourceCreate3d(picture),
            Command::ResourceCreate3d(corners),
            Command::ResourceAttachBacking {
                resource: PICTURE,
                entries: &entries,
            },
            Command::CtxAttachResource { resource: PICTURE },
            Command::CtxAttachResource { resource: CORNERS },
        ],
    );
}

/// The picture as what streams draw into.
pub fn target(side: u32) -> Target {
    Target {
        resource: PICTURE.0,
        format: format::B8G8R8A8_UNORM,
        width: side,
        height: side,
    }
}

/// The bytes of a stream.
pub fn bytes(stream: &[u32]) -> Vec<u8> {
    stream.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Fills the picture.
pub fn clear(colour: [f32; 4]) -> Vec<u8> {
    let mut stream = Stream::new();
    stream
        .surface(1, PICTURE.0, format::B8G8R8A8_UNORM)
        .framebuffer(&[1])
        .clear(colour)
        .destroy_surface(1);
    bytes(stream.words())
}

/// Copies the picture to the memory behind it.
pub fn fetch(side: u32) -> Command<'static> {
    Command::TransferFromHost3d(Transfer3d {
        region: Box3 {
            width: side,
            height: side,
            depth: 1,
            ..Box3::default()
        },
        offset: 0,
        resource: PICTURE,
        level: 0,
        stride: 0,
        layer_stride: 0,
    })
}

/// The picture's pixels, fetched.
pub fn pixels(front_end: &mut FrontEnd, side: u32) -> Vec<[u8; 4]> {
    succeed(front_end, &[fetch(side)]);
    memory_behind(front_end, side)
}

/// The memory behind the picture.
pub fn memory_behind(front_end: &FrontEnd, side: u32) -> Vec<[u8; 4]> {
    let mut bytes = vec![0; (side * side * 4) as usize];
    let memory = &front_end.guest.memory;
    memory
        .read_slice(&mut bytes, GuestAddress(Driver::FREE))
        .unwrap();
    bytes.as_chunks::<4>().0.to_vec()
}

/// What a capability set is said to be: its id, newest version and bytes.
pub fn capset_info(front_end: &mut FrontEnd, index: u32) -> Option<(u32, u32, u32)> {
    match execute(front_end, &Command::GetCapsetInfo { index }).outcome() {
        Ok(Success::CapsetInfo {
            id,
            max_version,
            max_size,
        }) => Some((id, max_version, max_size)),
        _ => None,
    }
}
