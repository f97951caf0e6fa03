//! A guest's own pages on a screen: the device makes a dma-buf of a blob, and whoever shows it reads
//! what the guest writes, with nobody to copy it.

use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use gpu_buffer::{
    Access, DrmModifier, ExportedImage, ExportedPlane, Image, ImportOptions, PlanePlace, Rect,
    UdmabufAllocator, Unsealed, import,
};
use gpu_display::{
    CursorView, DisplayError, DmaBuf, Embedded, Frame, Mode, Output, PixelSource, Presented,
    SurfaceId, Viewer,
};
use kms_probe::pattern;
use nix::fcntl::SealFlag;
use virtio_gpu::protocol::{Command, ResourceCreateBlob, ResourceId, ScanoutId, SetScanoutBlob};
use virtio_gpu::testing::{Driver, entry};
use virtio_gpu::{Activation, Device, GuestBlobs, QueueIndex, Wakeup};
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap, VolatileSlice};

use crate::error::{Error, Result, explain};
use crate::pages::{PAGE, memory_file};
use crate::source::absent;
use crate::window::bytes_of;

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;
const STRIDE: u32 = WIDTH * 4;
const BLOB: ResourceId = ResourceId(1);
/// Pages of the picture.
const PAGES: u32 = (STRIDE * HEIGHT).div_ceil(PAGE);

/// Shows a blob, has the guest draw into it, and looks.
pub(crate) fn run() -> Result<()> {
    let mut machine = Machine::new()?;
    machine.draw(1)?;
    machine.show()?;
    let picture = machine.shown()?;
    let image = mapped(&picture)?;
    expect(&image, 1)?;
    // No transfer, no flush: what is seen is the guest's memory.
    machine.draw(2)?;
    expect(&image, 2)?;
    let damage = Rect::new(3, 4, 5, 6);
    machine.carry_out(&Command::ResourceFlush {
        rect: damage,
        resource: BLOB,
    })?;
    let viewer = machine.device.display().viewer();
    if viewer.damage != [damage] || !Arc::ptr_eq(&picture, &machine.shown()?) {
        return Err(Error::Wrong(format!(
            "another picture was shown, or all of it: {:?}",
            viewer.damage
        )));
    }
    let done = machine.device.backend().frame_statistics();
    let shared = done.blobs_shared;
    if shared.taken == 0 || shared.copied_bytes > 0 || done.blobs_copied.taken > 0 {
        return Err(Error::Wrong(format!("something was copied: {done:?}")));
    }
    println!("{PAGES} scattered pages of the guest are shown where they are");
    Ok(())
}

/// Keeps what it is shown.
#[derive(Debug, Default)]
struct Screen {
    picture: Option<Arc<DmaBuf>>,
    damage: Vec<Rect>,
}

impl Viewer for Screen {
    fn show(&mut self, _: u32, frame: &Frame<'_>) -> std::result::Result<Presented, DisplayError> {
        self.damage = frame.damage.to_vec();
        self.picture = match frame.pixels {
            PixelSource::DmaBuf(picture) => Some(Arc::clone(picture)),
            _ => None,
        };
        Ok(Presented::Taken)
    }

    fn blank(&mut self, _: u32) {
        self.picture = None;
    }

    fn show_cursor(
        &mut self,
        _: SurfaceId,
        _: &CursorView,
        _: &Frame<'_>,
    ) -> std::result::Result<Presented, DisplayError> {
        Ok(Presented::Taken)
    }

    fn move_cursor(&mut self, _: SurfaceId, _: &CursorView) {}

    fn hide_cursor(&mut self, _: SurfaceId) {}
}

/// A device, its guest and a screen.
struct Machine {
    device: Device<Embedded<Screen>>,
    driver: Driver,
}

impl Machine {
    fn new() -> Result<Self> {
        let udmabuf = UdmabufAllocator::open().map_err(absent)?;
        let output = Output {
            enabled: true,
            x: 0,
            y: 0,
            mode: Mode {
                width: WIDTH,
                height: HEIGHT,
                refresh_millihertz: 60_000,
            },
            width_mm: 0,
            height_mm: 0,
        };
        let display = Embedded::new(vec![output], Screen::default());
        let mut device = Device::builder(display)
            .scanouts(1)
            .guest_blobs(GuestBlobs::Shared(Box::new(udmabuf)))
            .build()
            .map_err(|error| Error::Wrong(explain(&error)))?;
        let memory = guest_memory()?;
        let mut driver = Driver::new(Arc::clone(&memory));
        let activation = Activation {
            features: device.features(),
            memory,
            control: driver.ring(QueueIndex::Control).setup(),
            cursor: driver.ring(QueueIndex::Cursor).setup(),
        };
        let activated = device.activate(activation);
        // Its driver polls.
        let _ = activated.map_err(|error| Error::Wrong(explain(&error)))?;
        Ok(Self { device, driver })
    }

    /// The guest's program draws.
    fn draw(&mut self, seed: u32) -> Result<()> {
        let bytes: Vec<u8> = bytes_of(&pattern(WIDTH, HEIGHT, seed)).flatten().collect();
        let page = usize::try_from(PAGE).unwrap_or(1);
        for (number, bytes) in (0..).zip(bytes.chunks(page)) {
            self.driver.write(page_at(number), bytes);
        }
        Ok(())
    }

    fn show(&mut self) -> Result<()> {
        let entries: Vec<_> = (0..PAGES).map(|page| entry(page_at(page), PAGE)).collect();
        let whole = Rect::from_size(WIDTH, HEIGHT);
        for command in [
            // Guest memory that may be shared, as Linux makes its framebuffers.
            Command::ResourceCreateBlob(ResourceCreateBlob {
                resource: BLOB,
                memory: 1,
                flags: 2,
                blob_id: 0,
                size: u64::from(PAGES) * u64::from(PAGE),
                entries: &entries,
            }),
            Command::SetScanoutBlob(SetScanoutBlob {
                rect: whole,
                scanout: ScanoutId(0),
                resource: Some(BLOB),
                width: WIDTH,
                height: HEIGHT,
                format: 2,
                strides: [STRIDE, 0, 0, 0],
                offsets: [0; 4],
            }),
            Command::ResourceFlush {
                rect: whole,
                resource: BLOB,
            },
        ] {
            self.carry_out(&command)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, command: &Command<'_>) -> Result<()> {
        self.driver.send(command, None);
        let kick = Wakeup::Kick(QueueIndex::Control);
        while self.device.wake(kick, Instant::now()).more {}
        let answer = self.driver.take_answers(QueueIndex::Control).pop();
        match answer.map(|answer| answer.outcome()) {
            Some(Ok(_)) => Ok(()),
            other => Err(Error::Wrong(format!("{}: {other:?}", command.name()))),
        }
    }

    /// The dma-buf on the screen.
    fn shown(&self) -> Result<Arc<DmaBuf>> {
        let picture = self.device.display().viewer().picture.clone();
        picture.ok_or_else(|| Error::Wrong("a copy was shown".to_owned()))
    }
}

/// Where a page of the picture is: in the opposite order.
fn page_at(number: u32) -> u64 {
    Driver::FREE + u64::from((PAGES - 1 - number) * PAGE)
}

/// Memory as a VMM shares it with its back ends.
fn guest_memory() -> Result<Arc<GuestMemoryMmap>> {
    let bytes = Driver::FREE + u64::from(PAGES * PAGE);
    let file: File = memory_file(bytes, SealFlag::F_SEAL_SHRINK)?;
    let length = usize::try_from(bytes).unwrap_or(0);
    let region = (GuestAddress(0), length, Some(FileOffset::new(file, 0)));
    let memory = GuestMemoryMmap::from_ranges_with_files([region]);
    memory
        .map(Arc::new)
        .map_err(|error| Error::Wrong(explain(&error)))
}

/// The picture as somebody sees it who has nothing but the dma-buf.
fn mapped(picture: &DmaBuf) -> Result<Image> {
    let planes: Result<Vec<_>> = picture
        .planes
        .iter()
        .map(|plane| {
            let fd = plane.fd.try_clone().map_err(Error::io("duplicate"))?;
            Ok(ExportedPlane {
                fd,
                place: PlanePlace {
                    offset: plane.offset.into(),
                    stride: plane.stride,
                },
            })
        })
        .collect();
    let exported = ExportedImage {
        width: picture.width,
        height: picture.height,
        format: picture.format,
        modifier: DrmModifier::from(picture.modifier),
        planes: planes?,
    };
    let options = ImportOptions {
        access: Access::Read,
        unsealed: Unsealed::Refuse,
    };
    import(exported, options).map_err(Error::buffer("import what is shown"))
}

fn expect(image: &Image, seed: u32) -> Result<()> {
    let mut seen = vec![0; usize::try_from(STRIDE * HEIGHT).unwrap_or(0)];
    let whole = Rect::from_size(WIDTH, HEIGHT);
    image
        .read(0, whole, &VolatileSlice::from(&mut seen[..]), STRIDE.into())
        .map_err(Error::buffer("read what is shown"))?;
    let expected: Vec<u8> = bytes_of(&pattern(WIDTH, HEIGHT, seed)).flatten().collect();
    match seen.iter().zip(&expected).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(at) => Err(Error::Wrong(format!(
            "picture {seed}: byte {at} is {:?}, expected {:?}",
            seen.get(at),
            expected.get(at)
        ))),
    }
}
