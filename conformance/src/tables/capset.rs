//! K: capability sets, of which a 2D device has none.

use super::Setting;
use crate::case::{BADPARAM, Case};
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
