//! What a device offers because it has a renderer: features, configuration
//! space, capability sets.

use gpu_renderer::testing::Call;
use virtio_gpu::protocol::{Command, Success};

use crate::rig::{
    BAD_PARAMETER, CONTROL, FEATURES_3D, Fence, Placement, Rig3d, UNSPEC, ctx_create, picture,
    request, submit, whole,
};
use crate::support::{FEATURES, OK, Rig, gradient, rect};

const NUM_CAPSETS: u64 = 12;

fn num_capsets(rig: &Rig) -> u32 {
    let mut word = [0; 4];
    rig.device.read_config(NUM_CAPSETS, &mut word);
    u32::from_le_bytes(word)
}

/// A driver that binds to the device and acknowledges these features.
fn rebind(rig: &mut Rig, features: u64) {
    rig.device.reset();
    rig.driver = virtio_gpu::testing::Driver::new(rig.memory.clone());
    rig.start(features);
}

#[test]
fn virgl_and_context_init_are_offered_with_a_renderer_only() {
    let without = Rig::new();
    assert_eq!(without.device.features() & FEATURES_3D, 0);

    for rig in Rig3d::each() {
        let offered = rig.device.features();
        assert_eq!(offered & !FEATURES_3D, without.device.features());
        assert_eq!(offered & FEATURES_3D, FEATURES_3D);
    }
}

#[test]
fn the_number_of_capability_sets_is_exactly_what_the_renderer_has() {
    assert_eq!(num_capsets(&Rig::new()), 0);
    for rig in Rig3d::each() {
        assert_eq!(num_capsets(&rig), 2);
    }
}

#[test]
fn each_index_below_the_number_names_a_set_and_none_above() {
    for mut rig in Rig3d::each() {
        let info = |rig: &mut Rig3d, index| rig.call(Command::GetCapsetInfo { index });
        let expected = |id, max_version, max_size| {
            Ok(Success::CapsetInfo {
                id,
                max_version,
                max_size,
            })
        };

        assert_eq!(info(&mut rig, 0), expected(1, 1, 308));
        assert_eq!(info(&mut rig, 1), expected(2, 2, 1376));
        for index in [2, 3, 255, u32::MAX] {
            assert_eq!(info(&mut rig, index), BAD_PARAMETER, "index {index}");
        }
    }
}

#[test]
fn the_answer_about_a_set_has_its_padding_zero() {
    let mut rig = Rig3d::new(Placement::Inline);

    let answer = rig.call_fenced(Command::GetCapsetInfo { index: 0 }, None);

    assert_eq!(answer.bytes.len(), 40);
    assert_eq!(answer.bytes[36..], [0; 4]);
}

#[test]
fn a_set_comes_whole_in_any_version_that_it_has() {
    for mut rig in Rig3d::each() {
        for (id, version, bytes) in [
            (1, 0, vec![1; 308]),
            (1, 1, vec![1; 308]),
            (2, 1, vec![2; 1376]),
            (2, 2, vec![2; 1376]),
        ] {
            let answer = rig.call_fenced(Command::GetCapset { id, version }, None);
            assert_eq!(answer.bytes.len(), 24 + bytes.len());
            assert_eq!(answer.outcome(), Ok(Success::Capset(bytes)));
        }
    }
}

#[test]
fn sets_and_versions_that_are_not_there_are_refused() {
    let mut rig = Rig3d::new(Placement::Inline);
    let versions = [(1, 2), (1, u32::MAX), (2, 3)];
    let sets = [0, 3, 4, 63, 64, u32::MAX].map(|id| (id, 0));

    for (id, version) in versions.into_iter().chain(sets) {
        let outcome = rig.call(Command::GetCapset { id, version });
        assert_eq!(outcome, BAD_PARAMETER, "set {id}, version {version}");
    }
}

#[test]
fn a_set_that_does_not_fit_is_not_cut() {
    let mut rig = Rig3d::new(Placement::Inline);
    let get = Command::GetCapset { id: 1, version: 1 };
    let get = request(0, &get, Fence::Global(9));

    for (room, length) in [(24 + 307, 24), (24, 24), (24 + 308, 24 + 308)] {
        let answer = rig.call_bytes(CONTROL, &get, room).remove(0);
        assert_eq!(answer.bytes.len(), length, "room {room}");
        let (header, outcome) = answer.decode();
        assert_eq!(header.fence_id, 9);
        assert_eq!(outcome.is_ok(), length > 24);
    }
}

#[test]
fn without_virgl_negotiated_there_is_no_3d_command() {
    for mut rig in Rig3d::each() {
        rebind(&mut rig, FEATURES);
        rig.rest();
        rig.journal.take_calls();

        for command in [
            ctx_create(),
            Command::CtxDestroy,
            Command::ResourceCreate3d(picture(1, 4, 4)),
            Command::TransferToHost3d(whole(1, 4, 4)),
            Command::TransferFromHost3d(whole(1, 4, 4)),
            submit(&[0; 4]),
        ] {
            assert_eq!(rig.call_in(1, &command), UNSPEC, "{command:?}");
        }
        assert_eq!(rig.journal.take_calls(), []);
    }
}

#[test]
fn without_context_init_a_context_is_of_the_device_s_choice() {
    let mut rig = Rig3d::new(Placement::Inline);
    rebind(&mut rig, FEATURES | 1);
    let of_kind = |context_init| Command::CtxCreate {
        name: b"",
        context_init,
    };

    assert_eq!(rig.call_in(1, &of_kind(1)), BAD_PARAMETER);
    assert_eq!(rig.call_in(1, &of_kind(0)), OK);
}

#[test]
fn without_context_init_a_ring_index_means_nothing() {
    let mut rig = Rig3d::new(Placement::Inline);
    rebind(&mut rig, FEATURES | 1);
    assert_eq!(rig.create_context(1), OK);
    rig.journal.hold_fences();
    rig.begin(1, &submit(&[]), Fence::Ring(200, 5));
    rig.begin(1, &submit(&[]), Fence::Global(6));
    assert_eq!(rig.answered(), []);

    rig.journal.pass_fences(gpu_renderer::Timeline::Global);

    assert_eq!(rig.wait_for(2).len(), 2);
}

#[test]
fn a_device_without_a_renderer_has_nothing_to_wait_for() {
    let rig = Rig::new();

    assert!(rig.device.renderer_fd().is_none());
    assert_eq!(rig.device.deadline(), None);
}

#[test]
fn a_2d_desktop_on_a_3d_device_asks_nothing_of_the_renderer() {
    for mut rig in Rig3d::each() {
        rig.journal.take_calls();

        rig.image(1, 16, 16, gradient);
        assert_eq!(rig.set_scanout(0, 1, rect(0, 0, 16, 16)), OK);
        assert_eq!(rig.flush(1, rect(0, 0, 16, 16)), OK);
        assert_eq!(rig.unref(1), OK);

        let asked: Vec<Call> = rig.journal.take_calls();
        assert_eq!(asked, []);
        assert_eq!(rig.device.backend().render_statistics().promotions, 0);
    }
}
