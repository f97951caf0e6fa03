//! An X server with DRI3 and Present, and nothing behind them: it notes what it is asked for, and says
//! what a test has it say.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use gpu_display::{Display, Event, Role, SurfaceId, SurfaceRequest, X11Config, X11Display};
use msg_socket::{Error, Wait, recv_with_fds};

use crate::common::output;
use crate::faults::greeting;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// First bytes of the extensions' requests.
const PRESENT: u8 = 140;
const DRI3: u8 = 141;
const FIXES: u8 = 142;
const SHM: u8 = 143;

/// What the server has.
#[derive(Clone, Debug)]
pub(crate) struct Abilities {
    /// Version of DRI3.
    pub(crate) dri3: Option<(u32, u32)>,
    /// Modifiers that it takes.
    pub(crate) modifiers: Vec<u64>,
    pub(crate) present: bool,
    /// Whether it has MIT-SHM with pixmaps.
    pub(crate) shm: bool,
    /// The error, if it fails to make a pixmap of a dma-buf.
    pub(crate) refuses: Option<u8>,
}

/// What it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Import {
        pixmap: u32,
        size: (u16, u16),
        /// Stride and offset.
        planes: Vec<(u32, u32)>,
        /// `None` where it is not told.
        modifier: Option<u64>,
        depth: u8,
        bits: u8,
        /// Of the files.
        inodes: Vec<u64>,
    },
    Show {
        pixmap: u32,
        serial: u32,
        /// The region to update: x, y, width, height.
        update: Vec<[i16; 4]>,
        /// Where in the window.
        at: (i16, i16),
    },
    Free(u32),
    Put,
}

/// The number of a server that there is not, and its socket.
struct Place(u32);

impl Place {
    fn new() -> Self {
        /// Of the servers of this process.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Beyond those that other tests' servers take.
        let place = Self(13_000 + (std::process::id() * 64 + count) % 40_000);
        let _ = fs::create_dir("/tmp/.X11-unix");
        let _ = fs::remove_file(place.path());
        place
    }

    fn path(&self) -> String {
        format!("/tmp/.X11-unix/X{}", self.0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path());
    }
}

pub(crate) struct Fake {
    pub(crate) display: X11Display,
    pub(crate) asked: Vec<Asked>,
    pub(crate) abilities: Abilities,
    stream: UnixStream,
    bytes: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    /// Number of the last request; none before the greeting.
    sequence: Option<u16>,
    window: u32,
    region: Vec<[i16; 4]>,
    events: Vec<Event>,
    _place: Place,
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

impl Fake {
    pub(crate) fn start(abilities: Abilities) -> Self {
        let place = Place::new();
        let listener = UnixListener::bind(place.path()).unwrap();
        let display = X11Display::new(X11Config {
            display: Some(format!(":{}", place.0)),
            outputs: vec![output(640, 480)],
            ..X11Config::default()
        });
        let (stream, _) = listener.accept().unwrap();
        let mut fake = Self {
            display: display.unwrap(),
            asked: Vec::new(),
            abilities,
            stream,
            bytes: Vec::new(),
            fds: VecDeque::new(),
            sequence: None,
            window: 0,
            region: Vec::new(),
            events: Vec::new(),
            _place: place,
        };
        fake.run_until(|fake| fake.display.is_online());
        fake
    }

    /// Lets both have their turns until this holds.
    #[track_caller]
    pub(crate) fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "it does not happen");
            self.turn();
            std::thread::yield_now();
        }
    }

    /// Lets both have their turns until neither has something to say.
    pub(crate) fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            quiet = if self.turn() { 0 } else { quiet + 1 };
        }
    }

    fn turn(&mut self) -> bool {
        self.display.dispatch(Instant::now()).unwrap();
        self.events
            .extend(std::iter::from_fn(|| self.display.next_event()));
        self.serve()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// A surface whose window is shown. What that took is not noted.
    pub(crate) fn surface(&mut self, width: u32, height: u32) -> SurfaceId {
        let request = SurfaceRequest {
            role: Role::Scanout { output: 0 },
            width,
            height,
        };
        let surface = self.display.create_surface(&request).unwrap();
        self.settle();
        self.asked.clear();
        surface
    }

    /// Answers what has come; whether there was something.
    fn serve(&mut self) -> bool {
        let mut some = false;
        let mut bytes = [0; 4096];
        loop {
            match recv_with_fds(self.stream.as_fd(), &mut bytes, 28, Wait::DontWait) {
                Ok(received) => {
                    self.bytes.extend(&bytes[..received.bytes]);
                    self.fds.extend(received.fds);
                    some = true;
                }
                Err(Error::WouldBlock) => break,
                Err(error) => panic!("the display has gone: {error}"),
            }
        }
        if self.sequence.is_none() && self.bytes.len() >= 12 {
            let padded = |length: u16| usize::from(length.next_multiple_of(4));
            let length = 12 + padded(half(&self.bytes, 6)) + padded(half(&self.bytes, 8));
            self.bytes.drain(..length);
            self.sequence = Some(0);
            self.say(&greeting(&[]));
        }
        while self.bytes.len() >= 4 {
            let length = usize::from(half(&self.bytes, 2)) * 4;
            if self.bytes.len() < length {
                break;
            }
            let request: Vec<u8> = self.bytes.drain(..length).collect();
            self.sequence = self.sequence.map(|last| last.wrapping_add(1));
            self.answer(&request);
        }
        some
    }

    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// A reply whose bytes from the ninth on are these.
    fn reply(&mut self, body: &[u8]) {
        self.reply_with(0, body);
    }

    /// And whose second byte is this.
    fn reply_with(&mut self, second: u8, body: &[u8]) {
        let mut bytes = vec![1, second];
        bytes.extend(self.sequence.unwrap().to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes.resize(bytes.len().max(32), 0);
        let more = (bytes.len() as u32 - 32) / 4;
        bytes[4..8].copy_from_slice(&more.to_ne_bytes());
        self.say(&bytes);
    }

    fn words(&mut self, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.reply(&bytes);
    }

    /// The last request went wrong.
    fn fail(&mut self, code: u8, [major, minor]: [u8; 2]) {
        let mut bytes = [0; 32];
        bytes[1] = code;
        bytes[2..4].copy_from_slice(&self.sequence.unwrap().to_ne_bytes());
        (bytes[8], bytes[10]) = (minor, major);
        self.say(&bytes);
    }

    fn answer(&mut self, request: &[u8]) {
        match [request[0], request[1]] {
            // CreateWindow and MapWindow.
            [1, _] => self.window = word(request, 4),
            [8, _] => {
                let mut event = [0; 32];
                event[0] = 19;
                event[2..4].copy_from_slice(&self.sequence.unwrap().to_ne_bytes());
                event[4..8].copy_from_slice(&request[4..8]);
                event[8..12].copy_from_slice(&request[4..8]);
                self.say(&event);
            }
            // InternAtom, GetInputFocus, FreePixmap, PutImage.
            [16, _] => self.words(&[70]),
            [43, _] => self.words(&[1]),
            [54, _] => self.asked.push(Asked::Free(word(request, 4))),
            [72, _] => self.asked.push(Asked::Put),
            // QueryExtension.
            [98, _] => {
                let name = &request[8..8 + usize::from(half(request, 4))];
                let (is_there, major) = match name {
                    b"Present" => (self.abilities.present, PRESENT),
                    b"DRI3" => (self.abilities.dri3.is_some(), DRI3),
                    b"XFIXES" => (true, FIXES),
                    b"MIT-SHM" => (self.abilities.shm, SHM),
                    _ => (false, 0),
                };
                self.reply(&[u8::from(is_there), major, 0, 0]);
            }
            [PRESENT, 0] => self.words(&[1, 0]),
            // Pixmaps, of version 1.2.
            [SHM, 0] => {
                let version = [1_u16, 2].map(u16::to_ne_bytes);
                self.reply_with(1, &version.concat());
            }
            // AttachFd.
            [SHM, 6] => drop(self.fds.pop_front()),
            [FIXES, 0] => self.words(&[5, 0]),
            [DRI3, 0] => {
                let (major, minor) = self.abilities.dri3.unwrap();
                self.words(&[major, minor]);
            }
            [DRI3, 6] => {
                assert_eq!(request[8..10], [24, 32], "depth, bits");
                let modifiers = self.abilities.modifiers.clone();
                let mut body = [0_u32, modifiers.len() as u32, 0, 0, 0, 0]
                    .map(u32::to_ne_bytes)
                    .concat();
                body.extend(modifiers.iter().flat_map(|one| one.to_ne_bytes()));
                self.reply(&body);
            }
            [DRI3, 2] => self.import(request, 1),
            [DRI3, 7] => self.import(request, usize::from(request[12])),
            [FIXES, 11] => {
                let rects = request[8..].chunks(8);
                let number = |rect: &[u8], at| half(rect, at) as i16;
                let rect = |rect: &[u8]| [0, 2, 4, 6].map(|at| number(rect, at));
                self.region = rects.map(rect).collect();
            }
            [PRESENT, 1] => {
                assert_eq!(word(request, 4), self.window);
                let update = match word(request, 20) {
                    0 => Vec::new(),
                    _ => self.region.clone(),
                };
                self.asked.push(Asked::Show {
                    pixmap: word(request, 8),
                    serial: word(request, 12),
                    update,
                    at: (half(request, 24) as i16, half(request, 26) as i16),
                });
            }
            _ => {}
        }
    }

    /// Takes in a dma-buf.
    fn import(&mut self, request: &[u8], files: usize) {
        let files: Vec<File> = self.fds.drain(..files).map(File::from).collect();
        if let Some(code) = self.abilities.refuses {
            return self.fail(code, [DRI3, request[1]]);
        }
        let planes = match request[1] {
            2 => vec![(u32::from(half(request, 20)), 0)],
            _ => (0..files.len())
                .map(|plane| (word(request, 20 + 8 * plane), word(request, 24 + 8 * plane)))
                .collect(),
        };
        let modifier = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap());
        self.asked.push(Asked::Import {
            pixmap: word(request, 4),
            size: (half(request, 16), half(request, 18)),
            planes,
            modifier: (request[1] == 7).then(|| modifier(&request[56..64])),
            depth: request[if request[1] == 7 { 52 } else { 22 }],
            bits: request[if request[1] == 7 { 53 } else { 23 }],
            inodes: files
                .iter()
                .map(|file| file.metadata().unwrap().ino())
                .collect(),
        });
    }

    /// The screen shows a frame: PresentCompleteNotify.
    pub(crate) fn complete(&mut self, serial: u32) {
        let words = [0, self.window, serial, 0, 0, 0, 0];
        self.event(1, &words);
    }

    /// The server has done with a frame's pixmap: PresentIdleNotify.
    pub(crate) fn idle(&mut self, pixmap: u32, serial: u32) {
        let words = [0, self.window, serial, pixmap, 0];
        self.event(2, &words);
    }

    /// The frame cannot be shown: BadMatch of the last request, as if it were that one.
    pub(crate) fn fail_to_show(&mut self) {
        self.fail(8, [PRESENT, 1]);
        self.settle();
    }

    fn event(&mut self, kind: u16, words: &[u32]) {
        let mut bytes = vec![35, PRESENT];
        bytes.extend(self.sequence.unwrap().to_ne_bytes());
        bytes.extend((words.len() as u32 + 3 - 8).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        self.say(&bytes);
        self.settle();
    }
}
