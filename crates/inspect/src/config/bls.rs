//! An entry of systemd-boot. Specification: UAPI.1 "Boot Loader Specification", type 1.

use super::{Config, words};

pub(super) fn parse(text: &str) -> Config {
    let mut config = Config::default();
    let mut options: Vec<&str> = Vec::new();
    for line in text.lines() {
        let (word, rest) = words(line);
        match word {
            "title" => config.entry(rest),
            "linux" => config.file("kernel", rest),
            "initrd" => config.file("initrd", rest),
            "efi" => config.file("program", rest),
            "uki" => config.file("uki", rest),
            "devicetree" => config.file("devicetree", rest),
            "options" => options.push(rest),
            _ => {}
        }
    }
    // Several lines are one command line.
    config.line(&options.join(" "));
    config
}
