//! Frames that are handed to the program that embeds the display.

mod common;

use std::sync::Arc;

use common::{BLUE, RED, Source, at, cursor, output, scanout};
use gpu_buffer::{Allocator, Buffer, BufferRequest, DrmFourcc, Layout, MemfdAllocator, Rect};
use gpu_display::{
    CursorView, Display, DisplayError, Embedded, Event, Frame, Hotspot, PixelSource, Presented,
    SurfaceId, Viewer,
};

/// What a viewer was told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// Output, where its first byte is, crop, and damage.
    Frame(u32, usize, Rect, Vec<Rect>),
    Blank(u32),
    Cursor(SurfaceId, CursorView),
    Moved(SurfaceId, CursorView),
    Hidden(SurfaceId),
}

#[derive(Debug, Default)]
struct Notes {
    told: Vec<Told>,
    busy: bool,
    kept: Option<Arc<Buffer>>,
}

impl Viewer for Notes {
    fn show(&mut self, output: u32, frame: &Frame<'_>) -> Result<Presented, DisplayError> {
        if self.busy {
            return Ok(Presented::Busy);
        }
        if let PixelSource::Buffer(buffer) = frame.pixels {
            self.kept = Some(Arc::clone(buffer));
        }
        let address = frame.pixels.memory().ptr_guard().as_ptr().addr();
        let damage = frame.damage.to_vec();
        self.told
            .push(Told::Frame(output, address, frame.crop, damage));
        Ok(Presented::Taken)
    }

    fn blank(&mut self, output: u32) {
        self.told.push(Told::Blank(output));
    }

    fn show_cursor(
        &mut self,
        cursor: SurfaceId,
        view: &CursorView,
        _: &Frame<'_>,
    ) -> Result<Presented, DisplayError> {
        self.told.push(Told::Cursor(cursor, *view));
        Ok(Presented::Taken)
    }

    fn move_cursor(&mut self, cursor: SurfaceId, view: &CursorView) {
        self.told.push(Told::Moved(cursor, *view));
    }

    fn hide_cursor(&mut self, cursor: SurfaceId) {
        self.told.push(Told::Hidden(cursor));
    }
}

fn display() -> Embedded<Notes> {
    Embedded::new(vec![output(640, 480), output(800, 600)], Notes::default())
}

fn told(display: &mut Embedded<Notes>) -> Vec<Told> {
    std::mem::take(&mut display.viewer_mut().told)
}

fn events(display: &mut Embedded<Notes>) -> Vec<Event> {
    std::iter::from_fn(|| display.next_event()).collect()
}

#[test]
fn a_frame_is_handed_over_as_it_is() {
    let mut display = display();
    let surface = display.create_surface(&scanout(1, 2, 2)).unwrap();
    let mut source = Source::plain(4, 4, RED);
    let address = source.bytes.as_ptr().addr();
    let (crop, damage) = (Rect::new(1, 1, 2, 2), [Rect::new(0, 1, 2, 1)]);

    let presented = source.present(&mut display, surface, crop, &damage);

    assert_eq!(presented.unwrap(), Presented::Taken);
    let frame = Told::Frame(1, address, crop, damage.to_vec());
    assert_eq!(told(&mut display), [frame]);
}

#[test]
fn a_buffer_can_be_kept() {
    let mut display = display();
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let layout = Layout::packed(4, 4, DrmFourcc::Xrgb8888).unwrap();
    let buffer = Arc::new(MemfdAllocator.allocate(&BufferRequest { layout }).unwrap());

    let frame = Frame {
        pixels: PixelSource::Buffer(&buffer),
        layout,
        crop: layout.bounds(),
        damage: &[layout.bounds()],
    };
    display.present(surface, &frame).unwrap();

    assert_eq!(Arc::strong_count(&buffer), 2);
    assert!(display.viewer().kept.is_some());
}

#[test]
fn a_frame_that_breaks_its_promises_is_not_handed_over() {
    let mut display = display();
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let mut source = Source::plain(4, 4, RED);

    let outside = [Rect::new(3, 3, 2, 2)];
    let whole = source.layout.bounds();
    let refused = source.present(&mut display, surface, whole, &outside);

    assert!(matches!(refused, Err(DisplayError::Damage { .. })));
    assert_eq!(told(&mut display), []);
}

#[test]
fn a_viewer_that_is_busy_says_when_it_is_not() {
    let mut display = display();
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let mut source = Source::plain(4, 4, RED);
    let whole = source.layout.bounds();
    display.viewer_mut().busy = true;

    let busy = source.present(&mut display, surface, whole, &[whole]);
    display.ready(0);
    display.ready(1);

    assert_eq!(busy.unwrap(), Presented::Busy);
    assert_eq!(events(&mut display), [Event::Ready { surface }]);
}

#[test]
fn a_cursor_is_told_with_its_image_place_and_hotspot() {
    let mut display = display();
    let below = display.create_surface(&scanout(1, 4, 4)).unwrap();
    let request = cursor(below, (1, 0), (-3, 7));
    let above = display.create_surface(&request).unwrap();
    let view = |x, y| CursorView {
        output: 1,
        position: at(x, y),
        hotspot: Hotspot { x: 1, y: 0 },
    };

    Source::plain(2, 2, BLUE).show(&mut display, above);
    display.set_position(above, at(5, 6)).unwrap();
    display.destroy_surface(below);
    Source::plain(2, 2, BLUE).show(&mut display, above);
    display.destroy_surface(above);

    let expected = [
        Told::Cursor(above, view(-3, 7)),
        Told::Moved(above, view(5, 6)),
        Told::Hidden(above),
        Told::Blank(1),
        Told::Hidden(above),
    ];
    assert_eq!(told(&mut display), expected);
}

#[test]
fn a_surface_of_another_size_shows_nothing_until_its_next_frame() {
    let mut display = display();
    let below = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let above = display
        .create_surface(&cursor(below, (0, 0), (0, 0)))
        .unwrap();

    display.configure_surface(below, &scanout(0, 8, 4)).unwrap();
    display.configure_surface(below, &scanout(0, 8, 4)).unwrap();
    let mut larger = cursor(below, (0, 0), (0, 0));
    larger.width = 3;
    display.configure_surface(above, &larger).unwrap();

    assert_eq!(told(&mut display), [Told::Blank(0), Told::Hidden(above)]);
}

#[test]
fn what_the_program_wants_is_told_to_the_device() {
    let mut display = display();
    let surface = display.create_surface(&scanout(0, 4, 4)).unwrap();
    let mut larger = output(1024, 768);

    display.set_output(0, larger).unwrap();
    display.redraw(0);
    display.request_close(0);
    display.request_close(1);

    assert_eq!(display.outputs()[0], larger);
    let expected = [
        Event::OutputsChanged,
        Event::Redraw { surface },
        Event::CloseRequested { surface },
    ];
    assert_eq!(events(&mut display), expected);
    display.set_output(0, larger).unwrap();
    assert_eq!(events(&mut display), []);
    larger.enabled = false;
    let unknown = display.set_output(2, larger);
    assert!(matches!(
        unknown,
        Err(DisplayError::UnknownOutput { output: 2 })
    ));
}
