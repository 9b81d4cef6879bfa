//! The patterns of modules.alias: fnmatch(3) without its flags, as modprobe(8) applies it.

/// Whether `text` matches `pattern`: `*` any run, `?` any byte, `[a-c]` and `[!a-c]` one of a set, a
/// backslash takes the next byte as it is. Takes time of at most |pattern| × |text|.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when it fails after a star: behind the star, and one byte further in the text.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(p..).unwrap_or_default();
        if let [b'*', ..] = rest {
            p += 1;
            retry = Some((p, t + 1));
            continue;
        }
        let length = match (text.get(t), rest) {
            (None, []) => return true,
            (Some(&byte), rest) => one(rest, byte),
            (None, _) => None,
        };
        match (length, retry) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, Some((star, next))) if next <= text.len() => {
                (p, t) = (star, next);
                retry = Some((star, next + 1));
            }
            _ => return false,
        }
    }
}

/// The bytes of the pattern that match this one byte of the text; `None` when it does not match.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'[', set @ ..] => match bracket(set, byte) {
            Some((true, length)) => Some(1 + length),
            Some((false, _)) => None,
            // Never closed: a bracket like any other byte.
            None => (byte == b'[').then_some(1),
        },
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [plain, ..] => (*plain == byte).then_some(1),
        [] => None,
    }
}

/// Whether the set that starts behind `[` holds the byte, and its length with `]`.
fn bracket(set: &[u8], byte: u8) -> Option<(bool, usize)> {
    let (negated, start) = match set {
        [b'!' | b'^', ..] => (true, 1),
        _ => (false, 0),
    };
    let (mut position, mut found) = (start, false);
    loop {
        match set.get(position..)? {
            [b']', ..] if position > start => return Some((found != negated, position + 1)),
            [low, b'-', high, ..] if *high != b']' => {
                found |= (*low..=*high).contains(&byte);
                position += 3;
            }
            [single, ..] => {
                found |= *single == byte;
                position += 1;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;
    use proptest::prelude::*;

    #[test]
    fn matches_as_modprobe_does() {
        let yes = [
            ("virtio:d00000001v*", "virtio:d00000001v00001AF4"),
            ("pci:v00008086d0000100Esv*sd*bc*sc*i*", "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00"),
            ("usb:v0BDAp815[0-9]d*", "usb:v0BDAp8153d3000"),
            ("*", ""),
            ("a[!b]c", "axc"),
            ("a[]]c", "a]c"),
            ("a[b", "a[b"),
            ("a\\*", "a*"),
        ];
        for (pattern, text) in yes {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*b", "ac"), ("a[!b]c", "abc"), ("a\\*", "ab"), ("", "a"), ("a?", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[a-c*?\\[\\]!\\\\-]{0,24}", text in "[a-c]{0,24}") {
            matches(&pattern, &text);
        }

        #[test]
        fn stars_between_the_bytes_of_a_text_match_it(text in "[a-z0-9:]{0,30}") {
            let pattern: String = text.chars().flat_map(|c| ['*', c]).collect();
            prop_assert!(matches(&pattern, &text));
            prop_assert!(matches(&text, &text));
        }
    }
}
