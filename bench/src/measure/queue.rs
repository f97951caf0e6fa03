//! The way to a renderer and back, with a renderer that does nothing.

use gpu_buffer::ScatterList;
use gpu_renderer::{
    Capsets, ContextArgs, ContextId, DmaBuf, FenceId, PassedFence, ReadBack, RenderError,
    RenderQueue, Renderer, ResourceArgs, ResourceId, Timeline, Transfer, Upload, When, Work,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::Setting;
use crate::baseline::Bare;
use crate::daemon::pin_self;
use crate::report::Report;
use crate::trips::{Trip, Trips};

const TRIPS: usize = 4000;

pub(super) fn measure(setting: &Setting, report: &mut Report) {
    let start = || Ok(Nothing::default());
    let threaded = || {
        RenderQueue::thread(start)
            .and_then(|starting| starting.wait(Duration::from_secs(10)))
            .unwrap()
    };
    let inline = || RenderQueue::inline(Box::new(Nothing::default()));
    for (processor, what) in [
        (Some(0), "a job and its end, one processor"),
        (None, "a job and its end"),
    ] {
        pin_self(processor);
        let bare = Bare::start(|| ());
        let mut contenders = vec![Trip {
            name: "bare round trip",
            go: Box::new(|| bare.round()),
        }];
        for (name, mut queue, when) in [
            ("inline", inline(), When::Taken),
            ("inline, fenced", inline(), When::Passed(Timeline::Global)),
            ("thread", threaded(), When::Taken),
            ("thread, fenced", threaded(), When::Passed(Timeline::Global)),
        ] {
            contenders.push(Trip {
                name,
                go: Box::new(move || round(&mut queue, when)),
            });
        }
        Trips {
            what,
            rounds: setting.rounds,
            count: TRIPS,
            contenders,
        }
        .run(report);
    }
    pin_self(None);
}

fn round(queue: &mut RenderQueue, when: When) {
    let commands = vec![0; 16];
    let context = ContextId(1);
    queue.push(Work::Submit { context, commands }, when);
    while queue.outstanding() > 0 {
        if let Some(fd) = queue.poll_fd() {
            poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
        }
        while queue.next_completion().is_some() {}
    }
}

/// Does nothing, at once.
#[derive(Default)]
struct Nothing {
    passed: Vec<PassedFence>,
}

impl Renderer for Nothing {
    fn capsets(&self) -> Capsets {
        Capsets::default()
    }

    fn shares_textures(&self) -> bool {
        false
    }

    fn exports_fences(&self) -> bool {
        false
    }

    fn create_context(&mut self, _: ContextId, _: &ContextArgs) -> Result<(), RenderError> {
        Ok(())
    }

    fn destroy_context(&mut self, _: ContextId) -> Result<(), RenderError> {
        Ok(())
    }

    fn attach_resource(&mut self, _: ContextId, _: ResourceId) -> Result<(), RenderError> {
        Ok(())
    }

    fn detach_resource(&mut self, _: ContextId, _: ResourceId) -> Result<(), RenderError> {
        Ok(())
    }

    fn create_resource(&mut self, _: ResourceId, _: &ResourceArgs) -> Result<(), RenderError> {
        Ok(())
    }

    fn import(&mut self, _: ResourceId, _: &ResourceArgs, _: &DmaBuf) -> Result<(), RenderError> {
        Ok(())
    }

    fn share(&mut self, resource: ResourceId) -> Result<DmaBuf, RenderError> {
        Err(RenderError::UnknownResource(resource))
    }

    fn destroy_resource(&mut self, _: ResourceId) -> Result<(), RenderError> {
        Ok(())
    }

    fn attach_backing(&mut self, _: ResourceId, _: ScatterList) -> Result<(), RenderError> {
        Ok(())
    }

    fn detach_backing(&mut self, _: ResourceId) -> Result<(), RenderError> {
        Ok(())
    }

    fn revoke(&mut self) {}

    fn reset(&mut self) {}

    fn transfer(&mut self, _: &Transfer) -> Result<(), RenderError> {
        Ok(())
    }

    fn upload(&mut self, _: &Upload) -> Result<(), RenderError> {
        Ok(())
    }

    fn read_back(&mut self, _: &ReadBack) -> Result<(), RenderError> {
        Ok(())
    }

    fn submit(&mut self, _: ContextId, _: &mut [u32]) -> Result<(), RenderError> {
        Ok(())
    }

    fn export_fence(&mut self, _: Option<FenceId>) -> Result<OwnedFd, RenderError> {
        Err(RenderError::Impossible("there is nothing to wait for"))
    }

    fn create_fence(&mut self, timeline: Timeline, fence: FenceId) -> Result<(), RenderError> {
        self.passed.push(PassedFence { timeline, fence });
        Ok(())
    }

    fn poll(&mut self, passed: &mut Vec<PassedFence>) {
        passed.append(&mut self.passed);
    }
}
