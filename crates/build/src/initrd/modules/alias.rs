//! `modules.alias`: which module answers to a hardware's modalias or to a name like `fs-ext4`.
//!
//! ```text
//! alias virtio:d00000001v* virtio_net
//! ```

use super::glob;
use super::name::Name;

/// The aliases of a kernel's modules, in the file's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases(Vec<Alias>);

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alias {
    /// With `_` for `-`, which is how patterns and names are compared.
    pattern: String,
    module: Name,
}

impl Aliases {
    /// Reads the whole file. Comments and lines of another form (modprobe.d(5) knows some) are skipped.
    pub fn parse(text: &str) -> Self {
        let alias = |line: &str| {
            let mut words = line.split_whitespace();
            if words.next() != Some("alias") {
                return None;
            }
            let (pattern, module) = (words.next()?, words.next()?);
            let alias = Alias { pattern: normal(pattern), module: Name::new(module) };
            words.next().is_none().then_some(alias)
        };
        Self(text.lines().filter_map(alias).collect())
    }

    /// The modules that answer to `text`, in the file's order, each as often as it does.
    pub fn modules<'a>(&'a self, text: &str) -> impl Iterator<Item = &'a Name> + use<'a> {
        let text = normal(text);
        self.0.iter().filter(move |alias| glob::matches(&alias.pattern, &text)).map(|alias| &alias.module)
    }
}

/// `_` for `-`, but not inside of brackets, where it is a range.
fn normal(text: &str) -> String {
    let mut inside = false;
    let map = |c| {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        if c == '-' && !inside { '_' } else { c }
    };
    text.chars().map(map).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_each_module_that_answers() {
        let text = "# Aliases\nalias crypto-crc32c crc32c_generic\nalias crypto_crc32c crc32c-intel\nalias virtio:d00000001v* virtio_net\noptions x y\n";
        let aliases = Aliases::parse(text);
        let found: Vec<_> = aliases.modules("crypto-crc32c").map(Name::as_str).collect();
        assert_eq!(found, ["crc32c_generic", "crc32c_intel"]);
        assert_eq!(aliases.modules("virtio:d00000001v00001AF4").count(), 1);
        assert_eq!(aliases.modules("virtio:d00000002v00001AF4").count(), 0);
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_asked(text in "(alias [!-~]{0,12} [!-~]{0,12}\n|\\PC{0,30}\n){0,8}", ask in "\\PC{0,20}") {
            let _ = Aliases::parse(&text).modules(&ask).count();
        }
    }
}
