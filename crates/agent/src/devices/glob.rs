//! The patterns of `modules.alias`: fnmatch(3) with `*`, `?` and `[…]`, no escapes.

/// Whether `text` matches `pattern`. `-` and `_` are the same in both, as depmod and the kernel have it.
/// A device chooses the text: the time is bounded by the product of the lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the last star has to take one byte more.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => class(pattern.get(p..).unwrap_or_default(), byte),
            Some(&other) => same(other, byte).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, Some((after, taken))) => {
                (p, t) = (after, taken + 1);
                star = Some((after, taken + 1));
            }
            (None, None) => return false,
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

fn same(a: u8, b: u8) -> bool {
    let plain = |byte| if byte == b'-' { b'_' } else { byte };
    plain(a) == plain(b)
}

/// The length of the class `[…]` that `pattern` starts with, when `byte` is in it. One that does not end
/// matches nothing.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = pattern.iter().position(|&b| b == b']')?;
    let mut members = pattern.get(1..end)?;
    let inverted = matches!(members.first(), Some(b'!' | b'^'));
    if inverted {
        members = members.get(1..)?;
    }
    let mut found = false;
    while let Some((&first, rest)) = members.split_first() {
        match rest {
            [b'-', last, rest @ ..] => {
                found |= (first..=*last).contains(&byte);
                members = rest;
            }
            _ => {
                found |= same(first, byte);
                members = rest;
            }
        }
    }
    (found != inverted).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_device_finds_the_alias_of_its_driver() {
        let device = "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00";
        assert!(matches("pci:v00008086d0000100Esv*sd*bc*sc*i*", device));
        assert!(!matches("pci:v00008086d0000100Fsv*sd*bc*sc*i*", device));
        assert!(matches("virtio:d00000001v*", "virtio:d00000001v00001AF4"));
        assert!(matches(
            "usb:v0B95p1790d*dc*dsc*dp*icFFiscFFip00in*",
            "usb:v0B95p1790d0100dc00dsc00dp00icFFiscFFip00in00"
        ));
    }

    #[test]
    fn classes_and_both_dashes_are_understood() {
        assert!(matches("x[0-9A-F]y", "xBy") && !matches("x[0-9A-F]y", "xGy"));
        assert!(matches("x[!ab]", "xc") && !matches("x[!ab]", "xa"));
        assert!(matches("of:N*Cfoo,bar_baz", "of:NxCfoo,bar-baz"));
        assert!(!matches("x[abc", "xa"));
    }

    proptest! {
        #[test]
        fn any_pattern_ends_and_a_text_matches_itself(pattern in "[a-c*?\\[\\]!-]{0,24}", text in "[a-c]{0,24}") {
            let _ = matches(&pattern, &text);
            prop_assert!(matches(&text, &text));
            let starred = format!("*{text}*");
            let around = format!("c{text}a");
            prop_assert!(matches(&starred, &around));
        }
    }
}
