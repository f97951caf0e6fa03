//! Messages of the front end that are refused, with the descriptors that came with them.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use super::Plan;
use super::machine::Machine;
use super::meter::Course;
use crate::front_end::{
    ADD_MEM_REG, GPU_SET_SOCKET, REM_MEM_REG, SET_CONFIG, SET_FEATURES, SET_MEM_TABLE, SET_OWNER,
    SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL, SET_VRING_ENABLE, SET_VRING_KICK,
    SET_VRING_NUM, longs, region, words,
};
use crate::guest::{USER_BASE, shared_file};
use crate::message::display_info;

/// `VHOST_USER_SET_LOG_BASE`.
const SET_LOG_BASE: u32 = 6;
/// Bytes of a region, and where none is yet.
const BYTES: u64 = 1 << 20;
const AT: u64 = 1 << 32;

/// Descriptors for messages.
struct Files {
    null: File,
    directory: File,
    short: File,
    whole: File,
}

/// A message that is refused.
struct Refused<'a> {
    name: &'static str,
    request: u32,
    payload: Vec<u8>,
    fds: Vec<BorrowedFd<'a>>,
}

pub(super) fn refused_messages(plan: &Plan) -> Vec<Course> {
    let daemon = plan.daemon();
    let mut machine = Machine::start(&daemon);
    let files = Files {
        null: File::open("/dev/null").unwrap(),
        directory: File::open("/").unwrap(),
        short: shared_file(BYTES - 1),
        whole: shared_file(BYTES),
    };
    let mut courses = Vec::new();
    for message in messages(&files) {
        let path = message.name;
        courses.push(plan.course(path, &daemon, &mut machine, |machine| {
            let front_end = &mut machine.front_end;
            let result = front_end.acknowledged(message.request, &message.payload, &message.fds);
            assert_eq!(result, 1, "{path} was not refused");
            1
        }));
    }
    machine.succeed(&[display_info()]);
    courses
}

fn messages(files: &Files) -> Vec<Refused<'_>> {
    let one = vec![files.whole.as_fd()];
    let many = vec![files.null.as_fd(); 32];
    let table = |regions: u64| {
        let mut payload = words(&[regions as u32, 0]);
        for _ in 0..regions {
            payload.extend(longs(&[AT, BYTES, USER_BASE + AT, 0]));
        }
        payload
    };
    let here = region(AT, BYTES, 0);
    let address = [words(&[0, 0]), longs(&[4096, 8192, 12288, 0])].concat();
    let list: Vec<(&'static str, u32, Vec<u8>, Vec<BorrowedFd<'_>>)> = vec![
        ("request 255", 255, vec![1; 100], many.clone()),
        ("SET_LOG_BASE", SET_LOG_BASE, longs(&[0, 0]), one.clone()),
        ("payload for SET_OWNER", SET_OWNER, vec![0], vec![]),
        ("descriptor for SET_OWNER", SET_OWNER, vec![], one.clone()),
        (
            "feature not offered",
            SET_FEATURES,
            longs(&[1 << 34]),
            vec![],
        ),
        (
            "33 descriptors",
            ADD_MEM_REG,
            here.clone(),
            vec![files.null.as_fd(); 33],
        ),
        (
            "2 descriptors",
            ADD_MEM_REG,
            here.clone(),
            many[..2].to_vec(),
        ),
        ("no descriptor", ADD_MEM_REG, here.clone(), vec![]),
        (
            "device as memory",
            ADD_MEM_REG,
            here.clone(),
            many[..1].to_vec(),
        ),
        (
            "directory as memory",
            ADD_MEM_REG,
            here.clone(),
            vec![files.directory.as_fd()],
        ),
        (
            "short file",
            ADD_MEM_REG,
            here.clone(),
            vec![files.short.as_fd()],
        ),
        (
            "offset beyond the file",
            ADD_MEM_REG,
            region(AT, BYTES, 4096),
            one.clone(),
        ),
        ("empty region", ADD_MEM_REG, region(AT, 0, 0), one.clone()),
        (
            "region that overlaps",
            ADD_MEM_REG,
            region(4096, BYTES, 0),
            one.clone(),
        ),
        ("no such region", REM_MEM_REG, here, vec![]),
        ("table of nothing", SET_MEM_TABLE, table(0), vec![]),
        ("table of 33", SET_MEM_TABLE, table(33), many.clone()),
        (
            "table that overlaps",
            SET_MEM_TABLE,
            table(2),
            vec![files.whole.as_fd(); 2],
        ),
        ("ring 2", SET_VRING_NUM, words(&[2, 64]), vec![]),
        (
            "size of a ring that runs",
            SET_VRING_NUM,
            words(&[0, 64]),
            vec![],
        ),
        (
            "base of a ring that runs",
            SET_VRING_BASE,
            words(&[0, 0]),
            vec![],
        ),
        ("ring outside memory", SET_VRING_ADDR, address, vec![]),
        (
            "enabled twice over",
            SET_VRING_ENABLE,
            words(&[0, 2]),
            vec![],
        ),
        ("kick of ring 7", SET_VRING_KICK, longs(&[7]), one.clone()),
        ("two kicks", SET_VRING_KICK, longs(&[0]), many[..2].to_vec()),
        ("no kick", SET_VRING_KICK, longs(&[0x100]), vec![]),
        ("call of ring 7", SET_VRING_CALL, longs(&[7]), one.clone()),
        ("file as display socket", GPU_SET_SOCKET, vec![], one),
        ("no display socket", GPU_SET_SOCKET, vec![], vec![]),
        (
            "senseless configuration",
            SET_CONFIG,
            words(&[250, 16, 0]),
            many,
        ),
    ];
    list.into_iter()
        .map(|(name, request, payload, fds)| Refused {
            name,
            request,
            payload,
            fds,
        })
        .collect()
}
