//! `modules.softdep` and `modules.weakdep`: modules that another one works better, or only, with.
//!
//! ```text
//! softdep r8169 pre: realtek
//! softdep ext4 pre: crypto-crc32c post: something
//! weakdep pinctrl_cy8c95x0 i2c_i801
//! ```
//!
//! What they name may be a module or an alias, and may not exist.

use std::collections::BTreeMap;

use super::name::Name;

/// The soft dependencies of a kernel's modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoftDependencies(BTreeMap<Name, Vec<String>>);

impl SoftDependencies {
    /// Adds what a file says; lines that are neither softdep nor weakdep are skipped.
    pub fn extend(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some("softdep" | "weakdep"), Some(module)) = (words.next(), words.next()) else { continue };
            // When they are loaded matters to modprobe; to be there, to the initrd.
            let named = words.filter(|word| !matches!(*word, "pre:" | "post:")).map(str::to_owned);
            self.0.entry(Name::new(module)).or_default().extend(named);
        }
    }

    /// What the module names.
    pub fn of(&self, module: &Name) -> &[String] {
        self.0.get(module).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn several_lines_and_both_kinds_add_up() {
        let mut soft = SoftDependencies::default();
        soft.extend("# x\nsoftdep a-b pre: c d post: e\nsoftdep a_b f\nnothing a_b g\nsoftdep\n");
        soft.extend("weakdep a_b h\n");
        assert_eq!(soft.of(&Name::new("a_b")), ["c", "d", "e", "f", "h"]);
        assert!(soft.of(&Name::new("c")).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(softdep [!-~]{0,12} (pre: |post: )?[!-~]{0,12}\n|\\PC{0,30}\n){0,8}") {
            SoftDependencies::default().extend(&text);
        }
    }
}
