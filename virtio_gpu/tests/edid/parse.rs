//! A parser of EDIDs.

/// A detailed timing, of a base block or a DisplayID section.
#[derive(Debug, PartialEq)]
pub(crate) struct Timing {
    pub(crate) clock_khz: u64,
    pub(crate) width: u64,
    pub(crate) h_blank: u64,
    pub(crate) h_front: u64,
    pub(crate) h_sync: u64,
    pub(crate) height: u64,
    pub(crate) v_blank: u64,
    pub(crate) v_front: u64,
    pub(crate) v_sync: u64,
}

impl Timing {
    pub(crate) fn refresh(&self) -> f64 {
        let pixels = (self.width + self.h_blank) * (self.height + self.v_blank);
        self.clock_khz as f64 * 1000.0 / pixels as f64
    }

    pub(crate) fn lines_per_second(&self) -> f64 {
        self.clock_khz as f64 * 1000.0 / (self.width + self.h_blank) as f64
    }

    pub(crate) fn size(&self) -> (u64, u64) {
        (self.width, self.height)
    }
}

/// Checks what holds for every EDID and splits it into blocks.
pub(crate) fn blocks(edid: &[u8]) -> Vec<&[u8]> {
    assert!(edid.len() <= 1024);
    assert_eq!(edid.len() % 128, 0);
    let blocks: Vec<_> = edid.chunks(128).collect();
    for block in &blocks {
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        assert_eq!(sum % 256, 0, "checksum");
    }
    assert_eq!(blocks[0][..8], [0, 255, 255, 255, 255, 255, 255, 0]);
    assert_eq!(usize::from(blocks[0][126]), blocks.len() - 1);
    blocks
}

fn word(low: u8, high: u8) -> u64 {
    u64::from(high) << 8 | u64::from(low)
}

/// The first detailed timing of a base block (E-EDID 1.4 §3.10.2).
pub(crate) fn first_timing(base: &[u8]) -> Timing {
    let bytes = &base[54..72];
    assert_eq!(bytes[17], 0x1a, "digital separate sync, +h -v");
    Timing {
        clock_khz: word(bytes[0], bytes[1]) * 10,
        width: word(bytes[2], bytes[4] >> 4),
        h_blank: word(bytes[3], bytes[4] & 15),
        height: word(bytes[5], bytes[7] >> 4),
        v_blank: word(bytes[6], bytes[7] & 15),
        h_front: word(bytes[8], bytes[11] >> 6),
        h_sync: word(bytes[9], bytes[11] >> 4 & 3),
        v_front: u64::from(bytes[10] >> 4 | (bytes[11] >> 2 & 3) << 4),
        v_sync: u64::from(bytes[10] & 15 | (bytes[11] & 3) << 4),
    }
}

/// Width and height in millimetres of the first detailed timing.
pub(crate) fn millimetres(base: &[u8]) -> (u64, u64) {
    (word(base[66], base[68] >> 4), word(base[67], base[68] & 15))
}

/// The descriptor with that tag, without its five leading bytes.
pub(crate) fn descriptor(base: &[u8], tag: u8) -> Option<&[u8]> {
    let mut found = base[54..126]
        .chunks(18)
        .filter(|bytes| bytes[..3] == [0, 0, 0] && bytes[3] == tag);
    let descriptor = found.next();
    assert!(found.next().is_none(), "tag {tag:#x} twice");
    descriptor
}

/// The text of a name or serial descriptor.
pub(crate) fn text(base: &[u8], tag: u8) -> String {
    let bytes = &descriptor(base, tag).expect("a text")[5..];
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(13);
    assert!(bytes[(end + 1).min(13)..].iter().all(|byte| *byte == b' '));
    String::from_utf8(bytes[..end].to_vec()).unwrap()
}

/// The data blocks of a DisplayID section: tag and payload.
pub(crate) fn displayid_blocks(extension: &[u8]) -> Vec<(u8, &[u8])> {
    assert_eq!(extension[0], 0x70);
    assert_eq!(extension[1], 0x13, "version 1.3");
    let length = usize::from(extension[2]);
    let section: u32 = extension[1..length + 6].iter().map(|b| u32::from(*b)).sum();
    assert_eq!(section % 256, 0, "section checksum");
    let mut rest = &extension[5..5 + length];
    let mut found = Vec::new();
    while let [tag, _, length, ..] = rest {
        let (data, after) = rest[3..].split_at(usize::from(*length));
        found.push((*tag, data));
        rest = after;
    }
    assert!(rest.is_empty());
    found
}

/// The preferred type I timing of a DisplayID section (DisplayID 1.3 §4.4.1).
pub(crate) fn displayid_timing(extension: &[u8]) -> Timing {
    let blocks = displayid_blocks(extension);
    let (_, bytes) = blocks.iter().find(|(tag, _)| *tag == 3).expect("a timing");
    assert_eq!(bytes.len(), 20);
    assert_eq!(bytes[3] >> 7, 1, "preferred");
    let value = |at: usize| word(bytes[at], bytes[at + 1] & 0x7f) + 1;
    Timing {
        clock_khz: (word(bytes[0], bytes[1]) + (u64::from(bytes[2]) << 16) + 1) * 10,
        width: word(bytes[4], bytes[5]) + 1,
        h_blank: word(bytes[6], bytes[7]) + 1,
        h_front: value(8),
        h_sync: value(10),
        height: word(bytes[12], bytes[13]) + 1,
        v_blank: word(bytes[14], bytes[15]) + 1,
        v_front: value(16),
        v_sync: value(18),
    }
}

/// The native timing: that of the DisplayID block if there is one.
pub(crate) fn native(edid: &[u8]) -> Timing {
    let blocks = blocks(edid);
    match blocks.get(2) {
        Some(extension) => displayid_timing(extension),
        None => first_timing(blocks[0]),
    }
}
