//! Messages that have to wait until the renderer is at rest.
//!
//! A renderer is foreign code with pointers into the guest's memory, and what it is doing cannot be stopped. Before
//! memory or the control ring is taken away, or the device is reset, the device brings it to rest; the message is kept
//! until then, and with it all that the front end says behind it. Everything else goes on.

use std::time::Instant;

use gpu_display::Display;
use vhost::vhost_user::message::{FrontendReq, VhostUserU64, VhostUserVringState};
use virtio_gpu::{Progress, Quiescing};

use super::message::Message;
use super::rings::INDEX_MASK;
use super::{CONTROL, Session};
use crate::Error;
use crate::remote_display::FrontEndSocket;

/// A message that waits.
#[derive(Debug)]
pub(super) struct Postponed {
    message: Message,
    since: Instant,
}

impl<D: Display + FrontEndSocket> Session<D> {
    /// Carries out one request, unless it has to wait, and returns the bytes to send back, if any.
    ///
    /// # Errors
    ///
    /// As for [`Session::carry_out`].
    pub(crate) fn handle(&mut self, message: Message) -> Result<Option<Vec<u8>>, Error> {
        let now = Instant::now();
        if self.needs_rest(&message) && self.rest(now) == Progress::Pending {
            self.postponed = Some(Postponed {
                message,
                since: now,
            });
            return Ok(None);
        }
        self.carry_out(message)
    }

    /// Whether a message waits, and no other may be handled.
    pub(crate) const fn is_postponing(&self) -> bool {
        self.postponed.is_some()
    }

    /// Carries out the message that waits, if it need not wait any longer.
    ///
    /// # Errors
    ///
    /// [`Error::RendererStuck`], and as for [`Session::carry_out`].
    pub(crate) fn carry_on(&mut self, now: Instant) -> Result<Option<Vec<u8>>, Error> {
        let Some(Postponed { message, since }) = self.postponed.take() else {
            return Ok(None);
        };
        if self.rest(now) == Progress::Done {
            return self.carry_out(message);
        }
        let patience = self.renderer_patience;
        if now.saturating_duration_since(since) >= patience {
            return Err(Error::RendererStuck { patience });
        }
        self.postponed = Some(Postponed { message, since });
        Ok(None)
    }

    /// When a message that waits has waited for too long.
    pub(super) fn end_of_patience(&self) -> Option<Instant> {
        let postponed = self.postponed.as_ref()?;
        postponed.since.checked_add(self.renderer_patience)
    }

    /// Brings the renderer nearer to rest. The device takes nothing from the control ring until it is there.
    pub(crate) fn rest(&mut self, now: Instant) -> Progress {
        let Quiescing { progress, turn } = self.device.quiesce(now);
        self.notify(turn);
        self.display_pending |= turn.more;
        progress
    }

    /// Whether the renderer must not touch the guest's memory while this is carried out.
    fn needs_rest(&self, message: &Message) -> bool {
        match FrontendReq::try_from(message.header.request) {
            Ok(
                FrontendReq::SET_MEM_TABLE | FrontendReq::REM_MEM_REG | FrontendReq::RESET_DEVICE,
            ) => true,
            Ok(request @ FrontendReq::GET_VRING_BASE) => message
                .body::<VhostUserVringState>(request)
                .is_ok_and(|state| state.index == u32::from(CONTROL)),
            Ok(request @ FrontendReq::SET_VRING_KICK) => message
                .body::<VhostUserU64>(request)
                .is_ok_and(|body| self.starts_over(body.value & INDEX_MASK)),
            _ => false,
        }
    }
}
