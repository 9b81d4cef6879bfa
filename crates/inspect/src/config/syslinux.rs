//! SYSLINUX, ISOLINUX, EXTLINUX, PXELINUX. Specification: the SYSLINUX wiki, "Config".

use super::{Config, words};

pub(super) fn parse(text: &str) -> Config {
    let mut config = Config::default();
    for line in text.lines() {
        let (word, rest) = words(line);
        match word.to_ascii_lowercase().as_str() {
            "label" => config.entry(rest),
            "kernel" | "linux" => config.file("kernel", words(rest).0),
            "initrd" => rest.split(',').for_each(|path| config.file("initrd", path.trim())),
            "fdt" => config.file("devicetree", words(rest).0),
            "com32" => config.file("module", words(rest).0),
            "include" => config.file("configuration", words(rest).0),
            "append" => {
                let initrds = rest.split_whitespace().filter_map(|word| word.strip_prefix("initrd="));
                initrds.flat_map(|paths| paths.split(',')).for_each(|path| config.file("initrd", path));
                config.line(rest);
            }
            _ => {}
        }
    }
    config
}
