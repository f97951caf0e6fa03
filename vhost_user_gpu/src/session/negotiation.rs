//! Features, configuration space, and what starts the device over.

use vhost::vhost_user::message::{
    FrontendReq, VhostUserConfig, VhostUserProtocolFeatures, VhostUserU64, VhostUserVirtioFeatures,
};
use virtio_gpu::Turn;
use vm_memory::ByteValued;

use gpu_display::Display;

use super::message::Message;
use super::rings::queue_setup;
use super::{Answer, Session};
use crate::Error;
use crate::memory::MAX_SLOTS;
use crate::remote_display::FrontEndSocket;
use crate::vring::Enabled;

/// The device's queues: control and cursor.
const QUEUES: u64 = 2;

/// Bytes of configuration space that vhost-user can carry (`VHOST_USER_MAX_CONFIG_SIZE`).
const CONFIG_SPACE: u32 = 256;

/// What the session offers. No dirty log and no in-flight area: without a saved device state they would let a front
/// end migrate a guest whose screen then stays black.
const OFFERED: VhostUserProtocolFeatures = VhostUserProtocolFeatures::MQ
    .union(VhostUserProtocolFeatures::REPLY_ACK)
    .union(VhostUserProtocolFeatures::BACKEND_REQ)
    .union(VhostUserProtocolFeatures::CONFIG)
    .union(VhostUserProtocolFeatures::RESET_DEVICE)
    .union(VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS);

/// Packed rings, VIRTIO_F_RING_PACKED.
const RING_PACKED: u64 = 1 << 34;

/// The one virtio feature bit that belongs to vhost-user itself.
const PROTOCOL_FEATURES: u64 = VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();

impl<D: Display + FrontEndSocket> Session<D> {
    pub(super) fn get_features(&self, message: &Message) -> Result<Answer, Error> {
        message.no_payload(FrontendReq::GET_FEATURES)?;
        Ok(number(self.device.features() | PROTOCOL_FEATURES))
    }

    /// QEMU masks none of the ring features, whatever is offered: a user can turn on what the device lacks. The rings
    /// then stay off, as they would be read wrongly; ending would leave QEMU spinning on the closed display socket.
    pub(super) fn set_features(&mut self, message: &Message) -> Result<Answer, Error> {
        let features = message
            .body::<VhostUserU64>(FrontendReq::SET_FEATURES)?
            .value;
        let result = self
            .device
            .acknowledge_features(features & !PROTOCOL_FEATURES);
        self.features_refused = result.is_err();
        if features & RING_PACKED != 0 {
            log::error!(
                "the front end turned on packed rings, which are not offered: remove packed=on"
            );
        }
        result.map_err(Error::Device)?;
        self.features = features;
        Ok(Answer::Done)
    }

    pub(super) fn get_protocol_features(&self, message: &Message) -> Result<Answer, Error> {
        message.no_payload(FrontendReq::GET_PROTOCOL_FEATURES)?;
        Ok(number(OFFERED.bits()))
    }

    pub(super) fn set_protocol_features(&mut self, message: &Message) -> Result<Answer, Error> {
        let features = message
            .body::<VhostUserU64>(FrontendReq::SET_PROTOCOL_FEATURES)?
            .value;
        if features & !OFFERED.bits() != 0 {
            return Err(Error::ProtocolFeatures {
                features,
                offered: OFFERED.bits(),
            });
        }
        self.protocol_features = features;
        Ok(Answer::Done)
    }

    /// Whether the front end gets the acknowledgements that it asks for.
    pub(super) const fn acknowledges(&self) -> bool {
        self.protocol_features & VhostUserProtocolFeatures::REPLY_ACK.bits() != 0
    }

    /// Whether rings are served as soon as they start, for a front end that cannot enable them.
    pub(super) const fn rings_start_enabled(&self) -> bool {
        self.features & PROTOCOL_FEATURES == 0
    }

    pub(super) fn get_queue_number(&self, message: &Message) -> Result<Answer, Error> {
        message.no_payload(FrontendReq::GET_QUEUE_NUM)?;
        Ok(number(QUEUES))
    }

    pub(super) fn get_max_memory_slots(&self, message: &Message) -> Result<Answer, Error> {
        message.no_payload(FrontendReq::GET_MAX_MEM_SLOTS)?;
        Ok(number(u64::try_from(MAX_SLOTS).unwrap_or(u64::MAX)))
    }

    /// A vCPU and the front end's main loop wait for this answer: it depends on nothing but this process. A question
    /// that makes no sense gets an empty answer, as vhost-user wants.
    pub(super) fn get_config(&self, message: &Message) -> Result<Answer, Error> {
        let request = FrontendReq::GET_CONFIG;
        let Ok((config, rest)) = message.leading_body::<VhostUserConfig>(request) else {
            return Ok(Answer::Payload(Vec::new()));
        };
        let Some(length) = config_length(&config, rest) else {
            return Ok(Answer::Payload(Vec::new()));
        };
        let mut data = vec![0; length];
        self.device.read_config(u64::from(config.offset), &mut data);
        let mut payload = config.as_slice().to_vec();
        payload.append(&mut data);
        Ok(Answer::Payload(payload))
    }

    pub(super) fn set_config(&mut self, message: &Message) -> Result<Answer, Error> {
        let request = FrontendReq::SET_CONFIG;
        let (config, data) = message.leading_body::<VhostUserConfig>(request)?;
        config_length(&config, data).ok_or(Error::PayloadSize {
            request,
            size: message.payload.len(),
        })?;
        self.device.write_config(u64::from(config.offset), data);
        Ok(Answer::Done)
    }

    /// An obsolete message; disabling the rings is the safe one of its meanings.
    pub(super) fn reset_owner(&mut self, message: &Message) -> Result<Answer, Error> {
        message.no_payload(FrontendReq::RESET_OWNER)?;
        self.control.enabled = Enabled::No;
        self.cursor.enabled = Enabled::No;
        Ok(Answer::Done)
    }

    pub(super) fn reset_device(&mut self, message: &Message) -> Result<Answer, Error> {
        message.no_payload(FrontendReq::RESET_DEVICE)?;
        self.tells_resets = true;
        self.device.reset();
        self.control.reset();
        self.cursor.reset();
        self.features_refused = false;
        self.display_pending = true;
        Ok(Answer::Done)
    }

    /// The guest has reset the device without the front end having said so: what the old driver left goes, what the
    /// front end has set up for the new one stays.
    pub(super) fn reset_for_new_driver(&mut self) {
        log::debug!("the guest has reset the device");
        self.device.reset();
        self.display_pending = true;
        let features = self.features & !PROTOCOL_FEATURES;
        if let Err(error) = self.device.acknowledge_features(features) {
            log::warn!("{}", Error::Device(error).chain());
            self.features_refused = true;
        }
        let mut turn = Turn::default();
        for ring in [&mut self.control, &mut self.cursor] {
            ring.stopped = None;
            if !ring.has_started() {
                continue;
            }
            let started = queue_setup(ring, &self.memory).and_then(|setup| {
                self.device
                    .start_queue(ring.queue, &setup)
                    .map_err(Error::Device)
            });
            match started {
                Ok(done) => turn = turn.merge(done),
                Err(error) => log::warn!("ring {} rests: {}", ring.index, error.chain()),
            }
            ring.set_pending(true);
        }
        self.notify(turn);
    }
}

/// The number of configuration bytes, if `data` is as long as `config` says and the range exists.
fn config_length(config: &VhostUserConfig, data: &[u8]) -> Option<usize> {
    let end = config.offset.checked_add(config.size)?;
    let length = usize::try_from(config.size).ok()?;
    (end <= CONFIG_SPACE && data.len() == length).then_some(length)
}

fn number(value: u64) -> Answer {
    Answer::Payload(value.to_ne_bytes().to_vec())
}
