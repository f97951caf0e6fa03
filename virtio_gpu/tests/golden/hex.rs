//! Hexadecimal text, as the golden bytes are written.

/// The bytes of a text; white space does not count.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut high = None;
    for digit in text.chars().filter(|letter| !letter.is_whitespace()) {
        let digit = u8::try_from(digit.to_digit(16).unwrap()).unwrap();
        match high.take() {
            None => high = Some(digit << 4),
            Some(high) => bytes.push(high | digit),
        }
    }
    assert_eq!(high, None, "a digit is missing");
    bytes
}
