//! What is to be seen, and a guest that draws it.

use std::time::{Duration, Instant};

use conformance::daemon::Daemon;
use conformance::front_end::FrontEnd;
use gpu_buffer::Rect;
use virtio_gpu::protocol::Command;

use crate::support::PROGRAM;
use crate::support::drawing::{B8G8R8X8, IMAGE, create, flush, picture, set_scanout, transfer};

/// Of the window in most tests.
pub(crate) const SIZE: (u32, u32) = (320, 240);

/// How long a picture may take to appear on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A screen that can be looked at: pixels of red, green and blue.
pub(crate) trait Seen {
    /// The pixels of the only window, which should have this size; `None` while there is no window.
    fn window(&self, size: (u32, u32)) -> Option<Vec<[u8; 3]>>;

    /// Waits until the window shows a picture of the guest, all of it.
    #[track_caller]
    fn wait_for_picture(&self, size: (u32, u32), number: u8) {
        self.wait_for(size, "the guest's picture", |x, y| expected(x, y, number));
    }

    /// Waits until each pixel of the window has its colour.
    #[track_caller]
    fn wait_for(&self, size: (u32, u32), what: &str, pixel: impl Fn(u32, u32) -> [u8; 3]) {
        let start = Instant::now();
        loop {
            let wrong = self.window(size).map(|window| {
                (0..)
                    .zip(window)
                    .find(|(index, seen)| *seen != pixel(index % size.0, index / size.0))
            });
            match wrong {
                Some(None) => return,
                wrong if start.elapsed() > PATIENCE => {
                    panic!("waited in vain for {what}: {wrong:?}")
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// Red, green and blue of a pixel of the guest's picture.
pub(crate) fn expected(x: u32, y: u32, number: u8) -> [u8; 3] {
    [number, y as u8, x as u8]
}

/// A daemon that shows its windows there, logging all.
pub(crate) fn daemon(display: &str, more: &[&str]) -> Daemon {
    let display = format!("--display={display}");
    let arguments = [&[&display, "--log-level", "debug"], more].concat();
    Daemon::start_with(PROGRAM, &arguments)
}

/// A front end without a display socket, whose guest's driver is up.
pub(crate) fn front_end(daemon: &Daemon) -> FrontEnd {
    let mut front_end = FrontEnd::connect(daemon);
    front_end.realize();
    front_end.start_alone();
    front_end
}

/// The guest shows a picture on its first screen.
pub(crate) fn show(front_end: &mut FrontEnd, (width, height): (u32, u32), number: u8) {
    create(front_end, IMAGE, B8G8R8X8, width, height);
    front_end.succeed(&[set_scanout(width, height)]);
    draw(front_end, (width, height), number);
}

/// The guest draws another picture on it.
pub(crate) fn draw(front_end: &mut FrontEnd, (width, height): (u32, u32), number: u8) {
    let whole = Rect::from_size(width, height);
    front_end.write_image(0, &picture(whole, number));
    front_end.succeed(&[transfer(whole, width), flush(whole)]);
}

/// What the daemon says when its front end has gone: frames, those read where they were drawn, bytes copied.
pub(crate) fn summary(daemon: &mut Daemon, front_end: FrontEnd) -> (u64, u64, u64) {
    drop(front_end);
    assert!(daemon.wait().0.success(), "{}", daemon.log());
    let log = daemon.log();
    let line = log.lines().rfind(|line| line.contains("bytes copied"));
    let (_, counts) = line.expect("a summary").rsplit_once("display: ").unwrap();
    let mut numbers = counts.split(' ').filter_map(|word| word.parse().ok());
    let mut next = || numbers.next().unwrap();
    (next(), next(), next())
}

/// Width, height and whether it is enabled, of each screen that the guest is told of.
pub(crate) fn screens(front_end: &mut FrontEnd) -> Vec<(u32, u32, bool)> {
    let answers = front_end.execute(&[Command::GetDisplayInfo]);
    let screens = answers[0].bytes[24..].as_chunks::<24>().0.iter();
    let word = |screen: &[u8; 24], place: usize| {
        u32::from_le_bytes(screen[place..place + 4].try_into().unwrap())
    };
    screens
        .map(|screen| (word(screen, 8), word(screen, 12), word(screen, 16) == 1))
        .filter(|screen| *screen != (0, 0, false))
        .collect()
}
