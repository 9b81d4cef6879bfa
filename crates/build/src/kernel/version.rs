use std::cmp::Ordering;

/// Orders kernel versions: runs of digits by value, everything else by bytes.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        if a.is_empty() || b.is_empty() {
            return a.len().cmp(&b.len());
        }
        let (x, rest_a) = run(a);
        let (y, rest_b) = run(b);
        let order = match (number(x), number(y)) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// The leading run of digits, or of anything else, and the rest.
fn run(text: &str) -> (&str, &str) {
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(text.len());
    text.split_at(end)
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_by_value() {
        let mut versions = ["6.12.9+deb13-amd64", "6.12.107+deb13-amd64", "6.1.0-40-amd64", "6.12.9"];
        versions.sort_by(|a, b| compare(a, b));
        assert_eq!(versions, ["6.1.0-40-amd64", "6.12.9", "6.12.9+deb13-amd64", "6.12.107+deb13-amd64"]);
    }
}
