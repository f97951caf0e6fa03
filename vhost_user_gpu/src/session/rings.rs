//! The messages that set rings up, start and stop them.

use std::os::fd::OwnedFd;
use std::time::Instant;

use gpu_display::Display;
use vhost::vhost_user::message::{
    FrontendReq, VhostUserU64, VhostUserVringAddr, VhostUserVringState,
};
use virtio_gpu::{QueueSetup, Turn};
use vm_memory::ByteValued;

use super::message::Message;
use super::resume::next_request;
use super::{Answer, Session};
use crate::Error;
use crate::memory::MemoryTable;
use crate::remote_display::FrontEndSocket;
use crate::vring::{Enabled, RingAddresses, Stopped, Vring};

/// Bits of a descriptor message that hold the ring's index.
pub(super) const INDEX_MASK: u64 = 0xff;

/// The bit of a descriptor message that says that none is sent.
const NO_DESCRIPTOR: u64 = 0x100;

impl<D: Display + FrontEndSocket> Session<D> {
    pub(super) fn set_ring_size(&mut self, message: &Message) -> Result<Answer, Error> {
        let request = FrontendReq::SET_VRING_NUM;
        let state: VhostUserVringState = message.body(request)?;
        let size = small(request, "size", state.num)?;
        if !size.is_power_of_two() {
            return Err(bad_field(request, "size", u64::from(size)));
        }
        self.stopped_ring(request, state.index)?.size = size;
        Ok(Answer::Done)
    }

    pub(super) fn set_ring_addresses(&mut self, message: &Message) -> Result<Answer, Error> {
        let request = FrontendReq::SET_VRING_ADDR;
        let body: VhostUserVringAddr = message.body(request)?;
        if body.flags != 0 {
            return Err(bad_field(request, "flags", u64::from(body.flags)));
        }
        let addresses = RingAddresses {
            descriptor_table: body.descriptor,
            avail_ring: body.available,
            used_ring: body.used,
        };
        for address in [body.descriptor, body.available, body.used] {
            self.memory.translate(address)?;
        }
        self.stopped_ring(request, body.index)?.addresses = Some(addresses);
        Ok(Answer::Done)
    }

    pub(super) fn set_ring_base(&mut self, message: &Message) -> Result<Answer, Error> {
        let request = FrontendReq::SET_VRING_BASE;
        let state: VhostUserVringState = message.body(request)?;
        let base = small(request, "base", state.num)?;
        self.stopped_ring(request, state.index)?.base = base;
        Ok(Answer::Done)
    }

    /// Answers everything that was taken from the rings, and serves them no longer: the front end is gone or is to go,
    /// but its guest may live on.
    pub(crate) fn stop_rings(&mut self) {
        let mut turn = Turn::default();
        for ring in [&mut self.control, &mut self.cursor] {
            if let Some(stopped) = self.device.stop_queue(ring.queue) {
                turn = turn.merge(stopped.turn);
            }
            ring.stop();
        }
        self.notify(turn);
    }

    /// Stops a ring: everything taken from it has been answered when the reply goes.
    pub(super) fn get_ring_base(&mut self, message: &Message) -> Result<Answer, Error> {
        let request = FrontendReq::GET_VRING_BASE;
        let state: VhostUserVringState = message.body(request)?;
        let ring = ring_of(&mut self.control, &mut self.cursor, request, state.index)?;
        let stopped = self.device.stop_queue(ring.queue);
        if let Some(stopped) = stopped {
            ring.base = stopped.next_avail;
            ring.stopped = Some(Stopped {
                base: ring.base,
                addresses: ring.addresses,
            });
        }
        ring.stop();
        let reply = VhostUserVringState::new(state.index, u32::from(ring.base));
        if let Some(stopped) = stopped {
            self.notify(stopped.turn);
        }
        Ok(Answer::Payload(reply.as_slice().to_vec()))
    }

    pub(super) fn set_ring_enabled(&mut self, message: &Message) -> Result<Answer, Error> {
        let request = FrontendReq::SET_VRING_ENABLE;
        let state: VhostUserVringState = message.body(request)?;
        let enabled = match state.num {
            0 => Enabled::No,
            1 => Enabled::Yes,
            other => return Err(bad_field(request, "state", u64::from(other))),
        };
        let ring = ring_of(&mut self.control, &mut self.cursor, request, state.index)?;
        ring.enabled = enabled;
        Ok(Answer::Done)
    }

    /// Has the device take no request from rings that are not enabled, whatever makes it look.
    pub(super) fn heed_enabled(&mut self) {
        for ring in [&self.control, &self.cursor] {
            match ring.enabled {
                Enabled::No => self.device.suspend_queue(ring.queue),
                Enabled::Yes => self.device.resume_queue(ring.queue),
            }
        }
    }

    /// Starts a ring, or exchanges the kick of one that runs.
    pub(super) fn set_kick(&mut self, mut message: Message) -> Result<Answer, Error> {
        let request = FrontendReq::SET_VRING_KICK;
        let (index, kick) = ring_descriptor(request, &mut message)?;
        // Without a descriptor the ring would have to be polled, which costs a processor.
        let kick = kick.ok_or(Error::Descriptors {
            request,
            expected: 1,
            received: 0,
        })?;
        let ring = ring_of(&mut self.control, &mut self.cursor, request, index)?;
        let running = ring.has_started();
        if !running {
            self.start_queue(request, index)?;
        }
        let start_enabled = self.rings_start_enabled();
        let ring = ring_of(&mut self.control, &mut self.cursor, request, index)?;
        if let Err(errno) = ring.start(kick, &self.poller) {
            if !running && let Some(stopped) = self.device.stop_queue(ring.queue) {
                self.notify(stopped.turn);
            }
            return Err(unusable(request, errno));
        }
        if start_enabled {
            ring.enabled = Enabled::Yes;
        }
        Ok(Answer::Done)
    }

    pub(super) fn set_call(&mut self, mut message: Message) -> Result<Answer, Error> {
        let request = FrontendReq::SET_VRING_CALL;
        let (index, call) = ring_descriptor(request, &mut message)?;
        let ring = ring_of(&mut self.control, &mut self.cursor, request, index)?;
        ring.set_call(call)
            .map_err(|errno| unusable(request, errno))?;
        Ok(Answer::Done)
    }

    pub(super) fn set_error(&mut self, mut message: Message) -> Result<Answer, Error> {
        let request = FrontendReq::SET_VRING_ERR;
        let (index, error) = ring_descriptor(request, &mut message)?;
        let ring = ring_of(&mut self.control, &mut self.cursor, request, index)?;
        ring.set_error(error)
            .map_err(|errno| unusable(request, errno))?;
        Ok(Answer::Done)
    }

    /// Has the device serve the ring where the front end says it is.
    fn start_queue(&mut self, request: FrontendReq, index: u32) -> Result<(), Error> {
        let features_refused = self.features_refused;
        let ring = ring_of(&mut self.control, &mut self.cursor, request, index)?;
        let incomplete = |missing| Error::RingIncomplete {
            index: ring.index,
            missing,
        };
        if features_refused {
            return Err(incomplete(
                "the guest's driver uses features that are not offered",
            ));
        }
        if ring.size == 0 {
            return Err(incomplete("it has no size"));
        }
        if ring.addresses.is_none() {
            return Err(incomplete("it has no addresses"));
        }
        if self.starts_over(u64::from(index)) {
            self.reset_for_new_driver();
        }
        let ring = ring_of(&mut self.control, &mut self.cursor, request, index)?;
        let setup = queue_setup(ring, &self.memory)?;
        if setup.next_avail != ring.base && self.throttle.allows("base", Instant::now()) {
            log::warn!(
                "ring {index} goes on at request {}, where its used ring ends, instead of {}",
                setup.next_avail,
                ring.base
            );
        }
        let turn = self
            .device
            .start_queue(ring.queue, &setup)
            .map_err(Error::Device)?;
        self.notify(turn);
        Ok(())
    }

    /// Whether starting the ring with this index means that the guest has reset the device.
    ///
    /// After a pause a ring goes on exactly where it stopped; after a reset the new driver begins at 0. Front ends
    /// before QEMU 8.2 do not say which it was. Others do, and may restart a ring elsewhere that was reset alone.
    pub(super) fn starts_over(&self, index: u64) -> bool {
        let ring = match index {
            0 => &self.control,
            1 => &self.cursor,
            _ => return false,
        };
        let resumed = Stopped {
            base: ring.base,
            addresses: ring.addresses,
        };
        let moved = ring.stopped.is_some_and(|stopped| stopped != resumed);
        moved && !ring.has_started() && !self.tells_resets
    }

    /// The ring with this index, which must not run.
    fn stopped_ring(&mut self, request: FrontendReq, index: u32) -> Result<&mut Vring, Error> {
        let ring = ring_of(&mut self.control, &mut self.cursor, request, index)?;
        if ring.has_started() {
            return Err(Error::RingRuns {
                request,
                index: ring.index,
            });
        }
        Ok(ring)
    }
}

/// The ring with this index.
fn ring_of<'a>(
    control: &'a mut Vring,
    cursor: &'a mut Vring,
    request: FrontendReq,
    index: u32,
) -> Result<&'a mut Vring, Error> {
    match index {
        0 => Ok(control),
        1 => Ok(cursor),
        other => Err(bad_field(request, "ring index", u64::from(other))),
    }
}

/// A ring with addresses, as the device needs it.
pub(super) fn queue_setup(ring: &Vring, memory: &MemoryTable) -> Result<QueueSetup, Error> {
    let addresses = ring.addresses.ok_or(Error::RingIncomplete {
        index: ring.index,
        missing: "it has no addresses",
    })?;
    let mut setup = QueueSetup {
        size: ring.size,
        descriptor_table: memory.translate(addresses.descriptor_table)?,
        avail_ring: memory.translate(addresses.avail_ring)?,
        used_ring: memory.translate(addresses.used_ring)?,
        next_avail: ring.base,
    };
    setup.next_avail = next_request(&setup, &memory.guest_memory());
    Ok(setup)
}

/// The ring index of a descriptor message, and its descriptor unless it says that there is none.
fn ring_descriptor(
    request: FrontendReq,
    message: &mut Message,
) -> Result<(u32, Option<OwnedFd>), Error> {
    let value = message.body::<VhostUserU64>(request)?.value;
    if value & !(INDEX_MASK | NO_DESCRIPTOR) != 0 {
        return Err(bad_field(request, "ring index", value));
    }
    let index = u32::try_from(value & INDEX_MASK).unwrap_or(u32::MAX);
    if value & NO_DESCRIPTOR != 0 {
        message.take_descriptors(request, 0)?;
        return Ok((index, None));
    }
    Ok((index, Some(message.take_descriptor(request)?)))
}

/// A field that must fit 16 bits.
fn small(request: FrontendReq, field: &'static str, value: u32) -> Result<u16, Error> {
    u16::try_from(value).map_err(|_| bad_field(request, field, u64::from(value)))
}

const fn bad_field(request: FrontendReq, field: &'static str, value: u64) -> Error {
    Error::Field {
        request,
        field,
        value,
    }
}

fn unusable(request: FrontendReq, errno: nix::errno::Errno) -> Error {
    Error::UnusableDescriptor {
        request,
        source: errno.into(),
    }
}
