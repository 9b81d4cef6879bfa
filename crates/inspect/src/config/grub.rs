//! GRUB's `grub.cfg`. Specification: GNU GRUB Manual 2.12, chapter 16.

use super::{Config, words};

pub(super) fn parse(text: &str) -> Config {
    let mut config = Config::default();
    for line in text.lines() {
        let (word, rest) = words(line);
        match word {
            "menuentry" | "submenu" => config.entry(title(rest)),
            "linux" | "linux16" | "linuxefi" | "multiboot" | "multiboot2" => {
                let (path, line) = words(rest);
                config.file("kernel", path);
                config.line(line);
            }
            "initrd" | "initrd16" | "initrdefi" => {
                rest.split_whitespace().for_each(|path| config.file("initrd", path));
            }
            "chainloader" => {
                let path = rest.split_whitespace().find(|word| !word.starts_with("--"));
                config.file("program", path.unwrap_or_default());
            }
            "devicetree" => config.file("devicetree", words(rest).0),
            "configfile" | "source" | "." => config.file("configuration", words(rest).0),
            _ => {}
        }
    }
    config
}

/// A title in quotes, or a word.
fn title(rest: &str) -> &str {
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            rest.get(1..).and_then(|inside| inside.split(quote).next()).unwrap_or_default()
        }
        _ => words(rest).0,
    }
}
