//! 2D resources on their way to the renderer: they are its own once every job
//! that this takes has worked, and stay ours otherwise.

use std::sync::Arc;

use gpu_buffer::{Buffer, Layout, ScatterList};

use crate::pixels::HostPixels;

/// A promotion until its last job has ended.
#[derive(Debug)]
pub(crate) struct Promotion {
    pixels: HostPixels,
    jobs: usize,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Begun,
    /// The renderer has the resource; it may lack something yet.
    Made,
    Ended(PromotionEnd),
}

/// How a promotion that is over ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromotionEnd {
    /// The resource is the renderer's.
    Done,
    /// The renderer did not make it.
    Refused,
    /// The renderer has made it, and then failed to fill it.
    Spoilt,
}

/// What the renderer needs for a resource that becomes its own.
#[derive(Debug)]
pub struct Promotee {
    /// Tells it from others with the same id.
    pub generation: u64,
    /// Its size and format.
    pub layout: Layout,
    /// Its contents, if it has any.
    pub pixels: Option<Arc<Buffer>>,
    /// Its guest memory, if it has any now.
    pub backing: Option<ScatterList>,
}

impl Promotee {
    /// Jobs of the renderer that the promotion takes: to make the resource,
    /// and to give it what it has.
    pub fn jobs(&self) -> usize {
        let (pixels, backing) = (self.pixels.is_some(), self.backing.is_some());
        usize::from(pixels)
            .saturating_add(usize::from(backing))
            .saturating_add(1)
    }
}

impl Promotion {
    /// The promotion of a resource with these pixels, in so many jobs.
    pub(crate) fn new(pixels: HostPixels, jobs: usize) -> Self {
        Self {
            pixels,
            jobs,
            progress: Progress::Begun,
        }
    }

    /// Notes the end of a job; `Some` if it was the last.
    pub(crate) fn end_job<E>(&mut self, result: &Result<(), E>) -> Option<PromotionEnd> {
        self.progress = match (self.progress, result) {
            (Progress::Begun, Ok(())) => Progress::Made,
            (Progress::Begun, Err(_)) => Progress::Ended(PromotionEnd::Refused),
            (Progress::Made, Err(_)) => Progress::Ended(PromotionEnd::Spoilt),
            (progress, _) => progress,
        };
        self.jobs = self.jobs.saturating_sub(1);
        (self.jobs == 0).then_some(match self.progress {
            Progress::Begun | Progress::Made => PromotionEnd::Done,
            Progress::Ended(end) => end,
        })
    }

    /// What the resource was.
    pub(crate) fn into_pixels(self) -> HostPixels {
        self.pixels
    }
}

#[cfg(test)]
mod tests {
    use gpu_buffer::DrmFourcc;

    use super::*;

    fn end(results: &[Result<(), ()>]) -> Option<PromotionEnd> {
        let layout = Layout::packed(1, 1, DrmFourcc::Xrgb8888).unwrap();
        let mut promotion = Promotion::new(HostPixels::new(layout), 3);
        let ends = results.iter().map(|result| promotion.end_job(result));
        ends.last().flatten()
    }

    #[test]
    fn it_is_over_with_its_last_job() {
        assert_eq!(end(&[Ok(()), Ok(())]), None);
        assert_eq!(end(&[Err(()), Err(())]), None);
        assert_eq!(end(&[Ok(()), Ok(()), Ok(())]), Some(PromotionEnd::Done));
    }

    #[test]
    fn one_job_that_fails_fails_it() {
        let refused = Some(PromotionEnd::Refused);
        assert_eq!(end(&[Err(()), Err(()), Err(())]), refused);
        let spoilt = Some(PromotionEnd::Spoilt);
        assert_eq!(end(&[Ok(()), Err(()), Ok(())]), spoilt);
        assert_eq!(end(&[Ok(()), Ok(()), Err(())]), spoilt);
    }
}
