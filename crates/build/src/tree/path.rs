use std::fmt;

/// The longest path in bytes: Linux's `PATH_MAX`, beyond which no program can name the file.
pub const MAX_PATH: usize = 4096;
/// The longest name in bytes: Linux's `NAME_MAX`, which every root format shares.
pub const MAX_NAME: usize = 255;

/// A path inside a tree: bytes, relative to the root, without `.`, `..`, empty parts and the slashes at
/// either end. The root itself is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Vec<u8>);

/// Why bytes are no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It contains `..`.
    #[error("{0:?} contains .., which could lead out of the tree")]
    DotDot(String),
    /// It contains a NUL.
    #[error("{0:?} contains a NUL byte")]
    Nul(String),
    /// Longer than [`MAX_PATH`].
    #[error("a path of {0} bytes, more than {MAX_PATH}")]
    TooLong(usize),
    /// A part longer than [`MAX_NAME`].
    #[error("{0:?} has a name of more than {MAX_NAME} bytes")]
    NameTooLong(String),
}

impl TreePath {
    /// The root.
    pub const ROOT: Self = Self(Vec::new());

    /// Reads a path as archives and people write it: `./usr/bin`, `/usr/bin/`, `usr//bin` are the same.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        if bytes.len() > MAX_PATH {
            return Err(PathError::TooLong(bytes.len()));
        }
        if bytes.contains(&0) {
            return Err(PathError::Nul(text()));
        }
        let mut path = Vec::with_capacity(bytes.len());
        for part in bytes.split(|b| *b == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err(PathError::DotDot(text())),
                part if part.len() > MAX_NAME => return Err(PathError::NameTooLong(text())),
                part => {
                    if !path.is_empty() {
                        path.push(b'/');
                    }
                    path.extend_from_slice(part);
                }
            }
        }
        Ok(Self(path))
    }

    /// Takes bytes that are known to be a path, or the start of one.
    pub(super) fn from_trusted(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory this lies in; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let slash = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        Some(Self(self.0.get(..slash).unwrap_or_default().to_vec()))
    }

    /// The last part; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    /// `relative` below this path.
    pub fn join(&self, relative: &[u8]) -> Result<Self, PathError> {
        Self::parse(&[self.as_bytes(), b"/", relative].concat())
    }

    /// What follows `base`, when this lies below it.
    pub fn below(&self, base: &Self) -> Option<&[u8]> {
        if base.is_root() {
            return (!self.is_root()).then_some(self.as_bytes());
        }
        self.0.strip_prefix(base.as_bytes())?.strip_prefix(b"/")
    }

    /// The names from the root down.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|part| !part.is_empty())
    }
}

impl std::str::FromStr for TreePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for TreePath {
    /// With a leading slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
