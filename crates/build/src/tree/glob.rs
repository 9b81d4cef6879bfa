/// A pattern over whole paths, as dpkg's `path-exclude` has it: `*` matches any bytes, slashes too,
/// `?` any one byte. There are no other special characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<u8>);

impl Glob {
    /// Reads a pattern; a leading slash makes no difference.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.trim_start_matches('/').as_bytes().to_vec())
    }

    /// Whether the pattern matches the whole of `path` (without its leading slash).
    pub fn matches(&self, path: &[u8]) -> bool {
        // Greedy with one point of return: linear in practice, quadratic at worst.
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while t < path.len() {
            match self.0.get(p) {
                Some(b'*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(c) if *c == b'?' || path.get(t) == Some(c) => (p, t) = (p + 1, t + 1),
                _ => match star {
                    Some((at, from)) => {
                        star = Some((at, from + 1));
                        (p, t) = (at + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0.get(p..).unwrap_or_default().iter().all(|b| *b == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_slashes_too_and_the_whole_path_has_to_match() {
        let glob = Glob::new("/usr/share/doc/*");
        assert!(glob.matches(b"usr/share/doc/a/b"));
        assert!(!glob.matches(b"usr/share/doc"));
        assert!(!glob.matches(b"x/usr/share/doc/a"));
        assert!(Glob::new("*/kernel/sound/*").matches(b"usr/lib/modules/6/kernel/sound/a.ko"));
        assert!(Glob::new("a?c*d").matches(b"abcdd"));
        assert!(!Glob::new("a?c*d").matches(b"abcde"));
    }
}
