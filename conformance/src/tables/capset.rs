//! K: capability sets, of which a 2D device has none, and one that renders two.

use super::Setting;
use crate::case::{BADPARAM, CAPSET, CAPSET_INFO, Case};
use crate::message::{capset, capset_info};

pub(super) fn cases(_: &Setting) -> Vec<Case> {
    let mut cases = Vec::new();
    for index in [0, 1, 2, u32::MAX] {
        cases.push(
            Case::hostile("K01", format!("index {index}")).send(capset_info(index), BADPARAM),
        );
    }
    for id in [0, 1, 2, 8, 63, 64, u32::MAX] {
        cases.push(
            Case::hostile("K02", format!("capability set {id}"))
                .send(capset(id, 0), BADPARAM)
                .send(capset(id, 1).room(24), BADPARAM),
        );
    }
    for version in [0, 2, u32::MAX] {
        cases.push(
            Case::hostile("K03", format!("version {version}")).send(capset(1, version), BADPARAM),
        );
    }
    cases
}

/// VIRGL and VIRGL2, in this order.
pub(super) fn rendering_cases(_: &Setting) -> Vec<Case> {
    let mut cases = vec![
        Case::legal("K01", "both indices")
            .send(capset_info(0), CAPSET_INFO)
            .send(capset_info(1), CAPSET_INFO),
    ];
    for index in [2, 3, 255, u32::MAX] {
        cases.push(
            Case::hostile("K01", format!("index {index}")).send(capset_info(index), BADPARAM),
        );
    }
    for id in [1, 2] {
        cases.push(Case::legal("K02", format!("capability set {id}")).send(capset(id, 1), CAPSET));
    }
    for id in [0, 3, 8, 63, 64, u32::MAX] {
        cases.push(
            Case::hostile("K02", format!("capability set {id}")).send(capset(id, 0), BADPARAM),
        );
    }
    for id in [1, 2] {
        cases.push(
            Case::hostile("K03", format!("versions of capability set {id}"))
                .send(capset(id, 0), CAPSET)
                .send(capset(id, 1000), BADPARAM)
                .send(capset(id, u32::MAX), BADPARAM),
        );
    }
    for room in [24, 25, 100, 24 + 307] {
        cases.push(
            Case::hostile("K05", format!("a capability set in {room} bytes"))
                .send(capset(1, 1).room(room), BADPARAM),
        );
    }
    cases.push(
        Case::hostile("K05", "information about a set in 39 bytes")
            .send(capset_info(0).room(39), BADPARAM)
            .send(capset_info(0).room(24), BADPARAM),
    );
    cases.push(
        Case::legal("K05", "exactly as long as it is").send(capset(1, 1).room(24 + 308), CAPSET),
    );
    cases
}
