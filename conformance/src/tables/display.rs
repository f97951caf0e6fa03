//! D: GET_DISPLAY_INFO and GET_EDID. Configuration space and odd outputs have tests of their own.

use super::Setting;
use crate::case::{BADPARAM, Case, DISPLAY_INFO, EDID, Step};
use crate::message::{display_info, edid};

pub(super) fn cases(setting: &Setting) -> Vec<Case> {
    let mut cases = vec![
        Case::hostile("D01", "a flood of GET_DISPLAY_INFO").repeat(setting.rounds, |_| {
            vec![Step::send(display_info(), DISPLAY_INFO)]
        }),
    ];
    for scanout in [setting.scanouts, 16, 17, u32::MAX] {
        cases.push(
            Case::hostile("D02", format!("the EDID of scanout {scanout}"))
                .send(edid(scanout), BADPARAM),
        );
    }
    let last = setting.scanouts - 1;
    cases.push(
        Case::legal("D02", format!("the EDID of the last scanout, {last}")).send(edid(last), EDID),
    );
    cases
}
