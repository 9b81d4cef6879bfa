//! Names of modules: `-` and `_` are the same in them, and a file may carry a compression's ending.

use std::fmt;

/// A module's name as the kernel spells it: `dm-verity.ko.xz` is `dm_verity`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name that `text` stands for, however it writes its dashes.
    pub fn new(text: &str) -> Self {
        Self(text.replace('-', "_"))
    }

    /// The name of the module that the file at `path` holds; `None` when it is no module's file.
    pub fn of_path(path: &str) -> Option<Self> {
        let file = path.rsplit('/').next()?;
        let stem = without_compression(file).strip_suffix(".ko")?;
        (!stem.is_empty()).then(|| Self::new(stem))
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `path` without the ending of a compression that distributions use for modules and firmware.
pub fn without_compression(path: &str) -> &str {
    [".xz", ".zst", ".gz"].iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_and_endings_do_not_matter() {
        for path in ["kernel/drivers/md/dm-verity.ko", "dm_verity.ko.xz", "a/dm-verity.ko.zst"] {
            assert_eq!(Name::of_path(path), Some(Name::new("dm-verity")), "{path}");
        }
        assert_eq!(Name::of_path("kernel/modules.dep"), None);
        assert_eq!(Name::of_path("kernel/.ko"), None);
    }
}
