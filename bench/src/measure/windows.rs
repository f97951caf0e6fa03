//! Pictures in a window on a Wayland compositor that is never in the way: what the display itself costs, and what a
//! guest's flush costs through the daemon.

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gpu_buffer::{
    Allocator, AnonymousAllocator, Buffer, BufferRequest, DrmFourcc, Layout, MemfdAllocator, Rect,
};
use gpu_display::{
    Display, Frame, Mode, Output, PixelSource, Presented, Role, SurfaceId, SurfaceRequest,
    WaylandConfig, WaylandDisplay,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use vm_memory::Bytes;

use super::idle::wakes_a_second;
use super::{Setting, WITHOUT_RENDERER};
use crate::baseline::Bare;
use crate::compositor::{Compositor, Frames, IDLE, Manners, Releases};
use crate::front_end::FrontEnd;
use crate::guest::{Backing, FULL_HD, Part, Size, UHD, attach, create, flush, show, transfer};
use crate::report::{Contender, Goal, Line, Race, Report, median, percentile};
use crate::screen::SendBuffer;

const RESOURCE: u32 = 1;

/// What a guest changes at a time, if not all.
const SMALL: Rect = Rect {
    x: 300,
    y: 200,
    width: 64,
    height: 64,
};

/// After this everything has come to rest.
const MOMENT: Duration = Duration::from_millis(1);

/// Pictures of one round whose latency is taken.
const PICTURES: usize = 300;

pub(super) fn measure(setting: &Setting, report: &mut Report) {
    shared(setting, report);
    for size in [FULL_HD, UHD] {
        copied(setting, report, size);
    }
    for frames in [Frames::AsAMonitor, Frames::AtOnce] {
        small(setting, report, frames);
    }
    transferred(setting, report);
    latency(setting, report);
    idle(setting, report);
}

/// A display with one window.
struct Window {
    // Before the compositor: it says goodbye.
    display: WaylandDisplay,
    surface: SurfaceId,
    _compositor: Compositor,
}

impl Window {
    fn open(size: Size, manners: Manners) -> Self {
        let compositor = Compositor::start(manners);
        let (width, height) = (size.width, size.height);
        let mode = Mode {
            width,
            height,
            refresh_millihertz: 60_000,
        };
        let output = Output {
            enabled: true,
            x: 0,
            y: 0,
            mode,
            width_mm: 0,
            height_mm: 0,
        };
        let display = WaylandDisplay::new(WaylandConfig {
            socket: Some(compositor.socket()),
            title: String::new(),
            app_id: String::new(),
            outputs: vec![output],
        });
        let mut display = display.unwrap();
        let request = SurfaceRequest {
            role: Role::Scanout { output: 0 },
            width,
            height,
        };
        let surface = display.create_surface(&request).unwrap();
        Self {
            display,
            surface,
            _compositor: compositor,
        }
    }

    /// Shows a buffer, all of which changed, as soon as the compositor takes it.
    fn show(&mut self, buffer: &Arc<Buffer>) {
        let whole = buffer.layout().bounds();
        let frame = Frame {
            pixels: PixelSource::Buffer(buffer),
            layout: *buffer.layout(),
            crop: whole,
            damage: &[whole],
        };
        loop {
            self.display.dispatch(Instant::now()).unwrap();
            while self.display.next_event().is_some() {}
            match self.display.present(self.surface, &frame).unwrap() {
                Presented::Taken => return,
                Presented::Busy => self.wait(),
            }
        }
    }

    fn wait(&self) {
        let poller = self.display.poll_fd().unwrap();
        let mut fds = [PollFd::new(poller.fd, PollFlags::POLLIN)];
        assert!(poll(&mut fds, PollTimeout::from(10_000_u16)).unwrap() > 0);
    }
}

/// A picture whose pages are there.
fn picture(allocator: &mut dyn Allocator, size: Size) -> Arc<Buffer> {
    let layout = Layout::packed(size.width, size.height, DrmFourcc::Xrgb8888).unwrap();
    let buffer = allocator.allocate(&BufferRequest { layout }).unwrap();
    let bytes = vec![0x55; layout.size() as usize];
    buffer.memory().write_slice(&bytes, 0).unwrap();
    Arc::new(buffer)
}

/// A guest that flips between two buffers which the compositor reads.
fn shared(setting: &Setting, report: &mut Report) {
    let manners = Manners {
        releases: Releases::OnReplace,
        ..IDLE
    };
    let mut window = Window::open(UHD, manners);
    let pictures = [0, 1].map(|_| picture(&mut MemfdAllocator, UHD));
    let rates = (0..setting.rounds)
        .map(|_| setting.rate(2.0, || pictures.iter().for_each(|each| window.show(each))));
    let what = "window, frames that the compositor reads, 4K".to_owned();
    report.add(Line {
        what: what.clone(),
        unit: "frames/s",
        values: rates.collect(),
        goal: Goal::None,
    });
    let statistics = window.display.statistics();
    report.add(Line {
        what: format!("{what}: copied of {} frames", statistics.frames),
        unit: "bytes",
        values: vec![statistics.copied_bytes as f64],
        goal: Goal::AtMost(0.0),
    });
}

/// Private memory, which the display copies to where the compositor reads it.
fn copied(setting: &Setting, report: &mut Report, size: Size) {
    let source = picture(&mut AnonymousAllocator, size);
    let mut window = Window::open(size, IDLE);
    let shown = source.clone();
    let ours = Bare::start(move || window.show(&shown));
    let target = picture(&mut MemfdAllocator, size);
    // Whoever shows it is told, as a compositor is: to wake up another thread may cost a turn of one's own.
    let shower = Bare::start(|| {});
    let bare = Bare::start(move || {
        source.memory().copy_to_volatile_slice(target.memory());
        shower.tell();
    });
    let contender = |name, bare: Bare| Contender {
        name,
        measure: Box::new(move || paced(setting, &bare)),
    };
    Race {
        what: format!("window, copied frames, {}", size.name),
        unit: "frames/s",
        rounds: setting.rounds,
        contenders: vec![contender("ours", ours), contender("memcpy", bare)],
        goals: &[Goal::AtLeast(0.9)],
    }
    .run(report);
}

/// Rounds a second, if they came right behind each other. The compositor gets a moment between them, as from a
/// monitor, so that what is compared is work and not how soon another thread wakes up.
fn paced(setting: &Setting, bare: &Bare) -> f64 {
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < setting.slice {
        sleep(MOMENT);
        let kicked = Instant::now();
        bare.round();
        times.push(kicked.elapsed().as_secs_f64());
    }
    median(&times).recip()
}

/// A guest whose picture is in a window.
struct Shown {
    // Before the compositor, which the daemon would look for.
    front_end: FrontEnd,
    compositor: Compositor,
}

impl Shown {
    fn start(setting: &Setting, area: u64, size: Size, manners: Manners) -> Self {
        let compositor = Compositor::start(manners);
        let display = format!("wayland={}", compositor.socket().display());
        let mode = format!("{}x{}", size.width, size.height);
        let told = [
            WITHOUT_RENDERER,
            &["--display", &display, "--scanout", &mode],
        ]
        .concat();
        let program = setting.ours.told("ours", &told);
        let mut front_end = FrontEnd::start(&program, &setting.guest, area, SendBuffer::Default);
        front_end.control.succeed(&[
            create(RESOURCE, size),
            attach(RESOURCE, Backing::Whole, size.bytes()),
            show(RESOURCE, size),
            transfer(RESOURCE, size, size.bounds()),
            flush(RESOURCE, size.bounds()),
        ]);
        compositor.wait_for(1);
        Self {
            front_end,
            compositor,
        }
    }
}

/// How often a small part can be flushed, one flush at a time.
fn small(setting: &Setting, report: &mut Report, frames: Frames) {
    let manners = Manners { frames, ..IDLE };
    let mut shown = [(0, UHD), (1, FULL_HD), (2, UHD)]
        .map(|(area, size)| Shown::start(setting, area, size, manners));
    let hide = show(0, UHD);
    shown[2].front_end.control.succeed(&[hide]);
    let names = ["4K", "1080p", "nothing to show"];
    let contenders = names.iter().zip(&mut shown).map(|(name, shown)| {
        let control = &mut shown.front_end.control;
        control.lay_out(&[flush(RESOURCE, SMALL)], true);
        Contender {
            name,
            measure: Box::new(|| setting.rate(1.0, || control.round(1))),
        }
    });
    let (pace, goals) = match frames {
        Frames::AsAMonitor => ("60 Hz", [Goal::AtLeast(0.95), Goal::AtLeast(0.8)]),
        // No monitor is so fast: each flush is a picture, and wakes two processes.
        Frames::AtOnce => ("endless Hz", [Goal::AtLeast(0.95), Goal::None]),
    };
    Race {
        what: format!("window, 64x64 flushes, {pace}"),
        unit: "1/s",
        rounds: setting.rounds,
        contenders: contenders.collect(),
        goals: &goals,
    }
    .run(report);
}

/// What a guest does for a picture, beside the one copy that it cannot do without.
fn transferred(setting: &Setting, report: &mut Report) {
    let bare = Bare::copying(&setting.guest, Part::whole(FULL_HD), Backing::Whole, 1);
    let manners = |releases| Manners { releases, ..IDLE };
    let mut shown = [(0, Releases::OnReplace), (1, Releases::AtOnce)]
        .map(|(area, releases)| Shown::start(setting, area, FULL_HD, manners(releases)));
    let batch = [
        transfer(RESOURCE, FULL_HD, FULL_HD.bounds()),
        flush(RESOURCE, FULL_HD.bounds()),
    ];
    let names = ["picture kept", "picture given back"];
    let contenders = names.iter().zip(&mut shown).map(|(name, shown)| {
        let Shown {
            front_end,
            compositor,
        } = shown;
        front_end.control.lay_out(&batch, true);
        Contender {
            name,
            measure: Box::new(|| {
                setting.rate(1.0, || {
                    let before = compositor.count();
                    front_end.control.round(2);
                    compositor.wait_for(before + 1);
                })
            }),
        }
    });
    let mut contenders: Vec<_> = contenders.collect();
    contenders.push(Contender {
        name: "memcpy",
        measure: Box::new(|| setting.rate(1.0, || bare.round())),
    });
    Race {
        what: "window, transfer+flush 1080p".to_owned(),
        unit: "frames/s",
        rounds: setting.rounds,
        contenders,
        goals: &[],
    }
    .run(report);
}

/// From a guest's kick to the compositor that has the picture, beside two threads that wake each other up.
fn latency(setting: &Setting, report: &mut Report) {
    let Shown {
        mut front_end,
        compositor,
    } = Shown::start(setting, 0, FULL_HD, IDLE);
    let bare = Relay::start();
    for (what, rect) in [("whole", FULL_HD.bounds()), ("64x64", SMALL)] {
        front_end.control.lay_out(&[flush(RESOURCE, rect)], true);
        let mut rounds = Vec::new();
        for _ in 0..setting.rounds {
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..PICTURES {
                sleep(MOMENT);
                times[0].push(bare.milliseconds());
                sleep(MOMENT);
                let before = compositor.count();
                let start = Instant::now();
                front_end.control.round(1);
                let came = compositor.wait_for(before + 1);
                times[1].push((came - start).as_secs_f64() * 1e3);
            }
            rounds.push(times);
        }
        for (share, name, goal) in [(0.5, "p50", Goal::None), (0.99, "p99", Goal::AtMost(1.0))] {
            let of = |contender: usize| {
                let rounds = rounds.iter();
                rounds.map(move |times| percentile(&times[contender], share))
            };
            let mut add = |contender: &str, values, goal| {
                report.add(Line {
                    what: format!("window, flush to commit, {what}, {name}: {contender}"),
                    unit: "ms",
                    values,
                    goal,
                });
            };
            add("ours", of(1).collect(), Goal::None);
            add("bare", of(0).collect(), Goal::None);
            let added = of(1).zip(of(0)).map(|(ours, bare)| ours - bare);
            add("added", added.collect(), goal);
        }
    }
}

/// Two threads: the first wakes up the second, as a daemon does a compositor.
struct Relay {
    first: Bare,
    arrived: Arc<Mutex<Instant>>,
}

impl Relay {
    fn start() -> Self {
        let arrived = Arc::new(Mutex::new(Instant::now()));
        let arriving = arrived.clone();
        let second = Bare::start(move || *arriving.lock().unwrap() = Instant::now());
        Self {
            first: Bare::start(move || second.round()),
            arrived,
        }
    }

    /// From a kick to the second thread.
    fn milliseconds(&self) -> f64 {
        let start = Instant::now();
        self.first.round();
        (*self.arrived.lock().unwrap() - start).as_secs_f64() * 1e3
    }
}

/// A picture that does not change.
fn idle(setting: &Setting, report: &mut Report) {
    let shown = Shown::start(setting, 0, FULL_HD, IDLE);
    sleep(Duration::from_secs(1));
    report.add(Line {
        what: "window, wake-ups when nothing moves".to_owned(),
        unit: "1/s",
        values: vec![wakes_a_second(&shown.front_end.daemon)],
        goal: Goal::AtMost(0.0),
    });
}
