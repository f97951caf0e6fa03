//! GET_DISPLAY_INFO, GET_EDID, capability sets and configuration space.
#![allow(clippy::arithmetic_side_effects)]

mod support;

use std::time::Instant;

use gpu_display::{Event, Freshness, Mode, Query};
use support::{FEATURES, Rig, rect};
use virtio_gpu::protocol::{Command, ErrorCode, ScanoutId, Success};
use virtio_gpu::{Device, DeviceConfig, DeviceError, Limits, QueueIndex};

fn edid(scanout: u32) -> Command<'static> {
    Command::GetEdid {
        scanout: ScanoutId(scanout),
    }
}

#[test]
fn display_info_lists_the_outputs_of_the_configured_scanouts() {
    let mut rig = Rig::with(2, Limits::default());
    rig.device.display_mut().outputs[1].x = 1280;

    let Ok(Success::DisplayInfo(modes)) = rig.call(Command::GetDisplayInfo) else {
        panic!("display info is answered");
    };

    assert_eq!(modes.len(), 16);
    assert_eq!(
        (modes[0].rect, modes[0].enabled),
        (rect(0, 0, 1280, 800), true)
    );
    assert_eq!(
        (modes[1].rect, modes[1].enabled),
        (rect(1280, 0, 1280, 800), false)
    );
    assert_eq!((modes[2].rect, modes[2].enabled), (rect(0, 0, 0, 0), false));
}

#[test]
fn an_output_beyond_the_scanouts_is_not_told() {
    let mut rig = Rig::new();
    let second = rig.device.display().outputs[0];
    rig.device.display_mut().outputs.push(second);

    let Ok(Success::DisplayInfo(modes)) = rig.call(Command::GetDisplayInfo) else {
        panic!("display info is answered");
    };

    assert!(!modes[1].enabled);
}

#[test]
fn a_question_to_the_display_holds_only_its_own_answer_back() {
    let mut rig = Rig::new();
    rig.device.display_mut().freshness = Freshness::Pending;
    rig.driver.send(&Command::GetDisplayInfo, None);
    let _ = rig.kick(QueueIndex::Control);
    assert_eq!(rig.driver.take_answers(QueueIndex::Control), []);
    assert_eq!(rig.create(1, 8, 8), support::OK);

    let display = rig.device.display_mut();
    display.outputs[0].mode.width = 1920;
    display.events.push_back(Event::Answered(Query::Outputs));
    let turn = rig.device.dispatch_display(Instant::now());

    assert!(turn.notify_control);
    let answers = rig.driver.take_answers(QueueIndex::Control);
    let Ok(Success::DisplayInfo(modes)) = answers[0].outcome() else {
        panic!("display info is answered");
    };
    assert_eq!(modes[0].rect.width, 1920);
}

#[test]
fn one_answer_of_the_display_serves_everybody_who_asked() {
    let mut rig = Rig::new();
    rig.device.display_mut().freshness = Freshness::Pending;
    for _ in 0..3 {
        rig.driver.send(&Command::GetDisplayInfo, None);
    }
    rig.driver.send(&edid(0), None);
    let _ = rig.kick(QueueIndex::Control);

    let display = rig.device.display_mut();
    display.events.push_back(Event::Answered(Query::Outputs));
    let _ = rig.device.dispatch_display(Instant::now());

    assert_eq!(rig.driver.take_answers(QueueIndex::Control).len(), 3);
    assert_eq!(rig.device.in_flight(), 1);
}

#[test]
fn the_edid_describes_the_output_s_mode() {
    let mut rig = Rig::new();
    rig.device.display_mut().outputs[0].mode = Mode {
        width: 1920,
        height: 1080,
        refresh_millihertz: 60_000,
    };

    let Ok(Success::Edid(edid)) = rig.call(edid(0)) else {
        panic!("the EDID is answered");
    };

    assert!(edid.len() >= 128 && edid.len() <= 1024 && edid.len() % 128 == 0);
    assert_eq!(edid[..8], [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    // Detailed timing: low byte of the active pixels, then their high nibble.
    let width = u32::from(edid[56]) | u32::from(edid[58] >> 4) << 8;
    let height = u32::from(edid[59]) | u32::from(edid[61] >> 4) << 8;
    assert_eq!((width, height), (1920, 1080));
}

#[test]
fn an_edid_of_the_display_s_own_is_passed_on() {
    let mut rig = Rig::new();
    rig.device.display_mut().edid = Some(vec![0x5a; 256]);

    assert_eq!(rig.call(edid(0)), Ok(Success::Edid(vec![0x5a; 256])));
}

#[test]
fn a_scanout_that_does_not_exist_has_no_edid() {
    let mut rig = Rig::with(2, Limits::default());

    for scanout in [2, 16, u32::MAX] {
        assert_eq!(rig.call(edid(scanout)), Err(ErrorCode::InvalidParameter));
    }
    assert!(rig.call(edid(1)).is_ok());
}

#[test]
fn edid_needs_its_feature() {
    let mut rig = Rig::new();
    rig.start(FEATURES & !(1 << 1));

    assert_eq!(rig.call(edid(0)), Err(ErrorCode::Unspec));
}

#[test]
fn there_is_no_capability_set_and_none_is_counted() {
    let mut rig = Rig::new();
    let mut count = [0xff; 4];
    rig.device.read_config(12, &mut count);

    assert_eq!(count, [0; 4]);
    for index in [0, 1, u32::MAX] {
        let info = rig.call(Command::GetCapsetInfo { index });
        assert_eq!(info, Err(ErrorCode::InvalidParameter));
    }
    for id in [0, 1, 2, 4, u32::MAX] {
        let set = rig.call(Command::GetCapset { id, version: 0 });
        assert_eq!(set, Err(ErrorCode::InvalidParameter));
    }
}

#[test]
fn the_configuration_holds_the_number_of_scanouts_and_is_read_only() {
    let mut rig = Rig::with(3, Limits::default());

    rig.device.write_config(0, &[0xff; 20]);

    let mut config = [0xaa; 24];
    rig.device.read_config(0, &mut config);
    assert_eq!(config[8..12], [3, 0, 0, 0]);
    assert_eq!(config[12..], [0; 12]);
    let mut beyond = [0xaa; 4];
    rig.device.read_config(u64::MAX - 1, &mut beyond);
    assert_eq!(beyond, [0; 4]);
}

#[test]
fn changed_outputs_raise_the_display_event_until_it_is_cleared() {
    let mut rig = Rig::new();
    rig.device
        .display_mut()
        .events
        .push_back(Event::OutputsChanged);

    let turn = rig.device.dispatch_display(Instant::now());

    let mut events = [0; 4];
    rig.device.read_config(0, &mut events);
    assert!(turn.notify_config);
    assert_eq!(events, [1, 0, 0, 0]);
    rig.device.write_config(4, &[1, 0, 0, 0]);
    rig.device.read_config(0, &mut events);
    assert_eq!(events, [0; 4]);
}

#[test]
fn a_device_has_one_to_sixteen_scanouts() {
    for scanouts in [0, 17, u32::MAX] {
        let config = DeviceConfig {
            scanouts,
            ..DeviceConfig::default()
        };
        let device = Device::new(config, support::Recorder::new(1));
        assert!(matches!(device, Err(DeviceError::ScanoutCount(n)) if n == scanouts));
    }
}
