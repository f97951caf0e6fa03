//! The device's parts alone, in this process.

use std::hint::black_box;
use std::time::Instant;

use gpu_buffer::{
    Allocator, AnonymousAllocator, BufferRequest, DrmFourcc, Layout, ScatterList, copy,
};
use virtio_gpu::fence::{Timeline, Waiting};
use virtio_gpu::protocol::decode;

use super::Setting;
use crate::guest::{Backing, FULL_HD, attach, flush};
use crate::report::{Goal, Line, Report};

pub(super) fn measure(setting: &Setting, report: &mut Report) {
    let mut add = |what: &str, unit, values| {
        report.add(Line {
            what: what.to_owned(),
            unit,
            values,
            goal: Goal::None,
        });
    };
    let rounds = 0..setting.rounds;
    let small = flush(1, FULL_HD.bounds());
    let long = attach(1, Backing::Pages, FULL_HD.bytes());
    for (what, request) in [
        ("decode of a flush", &small),
        ("decode of an attach with 2025 entries", &long),
    ] {
        let times = rounds.clone().map(|_| {
            nanoseconds(100_000, || {
                let _ = black_box(decode(black_box(request)));
            })
        });
        add(what, "ns", times.collect());
    }
    for backing in [Backing::Whole, Backing::Pages] {
        let list = ScatterList::resolve(
            &setting.guest.memory,
            backing.ranges(FULL_HD.bytes()).into_iter(),
        )
        .unwrap();
        let layout = Layout::packed(FULL_HD.width, FULL_HD.height, DrmFourcc::Xrgb8888).unwrap();
        let buffer = AnonymousAllocator
            .allocate(&BufferRequest { layout })
            .unwrap();
        let stride = u64::from(layout.stride());
        let rates = rounds.clone().map(|_| {
            let time = nanoseconds(50, || {
                copy::gather(&list, 0, stride, &buffer, FULL_HD.bounds()).unwrap();
            });
            FULL_HD.bytes() as f64 / time
        });
        add(
            &format!("copy of 1080p, {}", backing.name()),
            "GB/s",
            rates.collect(),
        );
    }
    let times = rounds.map(|_| {
        let mut waiting = Waiting::default();
        let mut released = Vec::new();
        nanoseconds(100_000, || {
            waiting.add_done(Some(Timeline::Global), 0_u32, &mut released);
            black_box(&released);
            released.clear();
        })
    });
    add("a fence of a finished command", "ns", times.collect());
}

/// What `work` takes in nanoseconds.
fn nanoseconds(times: u32, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}
