//! Lists of domain names as DHCPv6 (RFC 8415 section 10) and router advertisements (RFC 8106 section 5.2) carry
//! them: names of RFC 1035 section 3.1, one behind the other, without compression.

/// The longest name, RFC 1035 section 3.1.
const MAX_NAME: usize = 255;
/// The longest part of a name.
const MAX_LABEL: usize = 63;
/// Names that are read; resolv.conf(5) takes no more than six.
const MAX_NAMES: usize = 16;

/// The names; what is broken ends the list. Zeros behind the last name are padding.
pub(crate) fn read(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while names.len() < MAX_NAMES {
        match name(bytes) {
            Some((name, rest)) if !name.is_empty() => {
                names.push(name);
                bytes = rest;
            }
            _ => break,
        }
    }
    names
}

fn name(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut name = String::new();
    loop {
        let (length, rest) = bytes.split_first()?;
        // Two bits above the length would be compression.
        let length = usize::from(*length).min(MAX_LABEL + 1);
        let (label, rest) = rest.split_at_checked(length).filter(|(label, _)| label.len() <= MAX_LABEL)?;
        bytes = rest;
        if label.is_empty() {
            return Some((name, bytes));
        }
        // It ends in resolv.conf(5): letters, digits, hyphens, and the underscore that people use.
        if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(std::str::from_utf8(label).ok()?);
        if name.len() > MAX_NAME {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_up_to_what_is_broken() {
        assert_eq!(read(b"\x03lab\x07example\0\x01b\0\0\0"), ["lab.example", "b"]);
        assert_eq!(read(b"\x03lab\0\x09cut"), ["lab"]);
        assert_eq!(read(b"\x03lab\xc0\x00"), [""; 0]);
        assert_eq!(read(b"\x03a\nb\0"), [""; 0]);
        assert_eq!(read(&b"\x3fa".repeat(400)), [""; 0]);
    }
}
