//! An iPXE script. Specification: ipxe.org, "Scripting".

use super::{Config, words};

pub(super) fn parse(text: &str) -> Config {
    let mut config = Config::default();
    for line in text.lines() {
        // What follows `||` or `&&` is another command.
        for command in line.split("||").flat_map(|part| part.split("&&")) {
            let (word, rest) = words(command);
            let (url, arguments) = without_options(rest);
            match word {
                "kernel" | "imgfetch" | "imgselect" => {
                    config.file("kernel", url);
                    config.line(arguments);
                }
                "initrd" | "module" => config.file("initrd", url),
                "chain" | "imgexec" => config.file("program", url),
                "sanboot" => config.file("disk", url),
                "item" => config.entry(arguments),
                _ => {}
            }
        }
    }
    config
}

/// The first word that is no option, and the rest; `--name` and `-n` take a word.
fn without_options(rest: &str) -> (&str, &str) {
    let (mut word, mut rest) = words(rest);
    while word.starts_with('-') {
        if matches!(word, "--name" | "-n" | "--timeout" | "-t" | "--key" | "-k") {
            rest = words(rest).1;
        }
        (word, rest) = words(rest);
    }
    (word, rest)
}
