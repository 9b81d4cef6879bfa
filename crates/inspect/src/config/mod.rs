//! Configuration files of boot loaders: what they start, and whether that is there.
//!
//! They are told by their name, or by their first words. Only what names a file is read; conditions,
//! variables and functions are not carried out, and a path with a variable in it is not looked for.

mod bls;
mod grub;
mod ipxe;
mod syslinux;

use std::io;

use crate::bytes::{printable, read};
use crate::node::{Node, Severity};
use crate::recognise::{Found, Look};
use crate::source::Source;

/// The longest file that is taken for a text, in bytes.
const MAX_TEXT: u64 = 1 << 20;

/// The most entries and files of one configuration that are told.
const MAX_TOLD: usize = 64;

/// What a configuration says.
#[derive(Default)]
struct Config {
    /// The titles of its entries.
    entries: Vec<String>,
    /// What each of its files is for, and its path or URL.
    files: Vec<(&'static str, String)>,
    /// Command lines.
    lines: Vec<String>,
}

impl Config {
    fn file(&mut self, role: &'static str, path: &str) {
        let path = printable(path.trim_matches(['"', '\'']).as_bytes());
        if !path.is_empty() && self.files.len() < MAX_TOLD && !self.files.contains(&(role, path.clone())) {
            self.files.push((role, path));
        }
    }

    fn entry(&mut self, title: &str) {
        if self.entries.len() < MAX_TOLD {
            self.entries.push(printable(title.trim().trim_matches(['"', '\'']).as_bytes()));
        }
    }

    fn line(&mut self, line: &str) {
        let line = printable(line.trim().as_bytes());
        if !line.is_empty() && self.lines.len() < MAX_TOLD && !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }
}

pub(crate) fn recognise(source: &Source, look: &Look<'_>) -> io::Result<Option<Found>> {
    if source.size() == 0 || source.size() > MAX_TEXT {
        return Ok(None);
    }
    let head = read(source, 0, 512)?;
    if head.0.iter().any(|&byte| byte < 9) {
        return Ok(None);
    }
    let text = read(source, 0, MAX_TEXT as usize)?;
    let Ok(text) = std::str::from_utf8(&text.0) else { return Ok(None) };
    let mut node = Node::new("text", "text", source.size());
    let Some((kind, what, config)) = parse(text, look) else { return Ok(Some(node.into())) };
    node.kind = kind;
    node.what = what.to_owned();
    node.list("entries", config.entries);
    let told = config.files.iter().map(|(role, path)| format!("{role}:{path}"));
    node.list("loads", told.collect());
    node.text("command line", config.lines.join("\n"));
    missing(&mut node, &config.files, look)?;
    Ok(Some(node.into()))
}

fn parse(text: &str, look: &Look<'_>) -> Option<(&'static str, &'static str, Config)> {
    let path = look.path.to_ascii_lowercase();
    let name = path.rsplit('/').next().unwrap_or_default();
    let has = |words: &[&str]| {
        let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        text.lines().any(|line| words.contains(&first(line).as_str()))
    };
    if text.starts_with("#!ipxe") || name.ends_with(".ipxe") {
        return Some(("ipxe-script", "iPXE script", ipxe::parse(text)));
    }
    let grub = name.ends_with("grub.cfg") || has(&["menuentry"]);
    if grub {
        return Some(("grub-config", "GRUB configuration", grub::parse(text)));
    }
    let syslinux = ["isolinux.cfg", "syslinux.cfg", "extlinux.conf"].contains(&name)
        || path.contains("pxelinux.cfg/")
        || has(&["label"]) && has(&["kernel", "linux", "com32", "localboot"]);
    if syslinux {
        return Some(("syslinux-config", "SYSLINUX configuration", syslinux::parse(text)));
    }
    if name == "loader.conf" {
        return Some(("loader-config", "systemd-boot configuration", Config::default()));
    }
    let entry = path.contains("loader/entries/") || (has(&["title"]) && has(&["linux", "efi", "uki"]));
    entry.then(|| ("bls-entry", "boot loader entry (BLS)", bls::parse(text)))
}

/// Tells which files are not there. Paths with variables and URLs are not looked for.
fn missing(node: &mut Node, files: &[(&'static str, String)], look: &Look<'_>) -> io::Result<()> {
    let Some(beside) = look.beside else { return Ok(()) };
    if beside.list("")?.is_none() {
        return Ok(());
    }
    let directory = look.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    for (role, path) in files {
        if path.contains(['$', '(', '*']) || path.contains("://") {
            continue;
        }
        let absolute =
            path.strip_prefix('/').or_else(|| path.strip_prefix('\\')).map(|path| path.replace('\\', "/"));
        let absolute = absolute.unwrap_or_else(|| join(directory, path));
        if beside.open(&absolute)?.is_none() && beside.list(&absolute)?.is_none() {
            let what = format!("{role} {path} is not there");
            node.problem(Severity::Error, None, what, "copy it there, or name another");
        }
    }
    Ok(())
}

/// A relative path below a directory, with `..` carried out.
fn join(directory: &str, path: &str) -> String {
    let mut steps: Vec<&str> = directory.split('/').filter(|step| !step.is_empty()).collect();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// The first word of a line, and the rest.
fn words(line: &str) -> (&str, &str) {
    let line = line.trim();
    line.split_once(char::is_whitespace).map_or((line, ""), |(word, rest)| (word, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(path: &str) -> Look<'_> {
        Look { path, beside: None, deep: false, unpack: None }
    }

    fn told(path: &str, text: &str) -> (&'static str, Vec<String>, Vec<String>) {
        let (kind, _, config) = parse(text, &look(path)).unwrap();
        let files = config.files.into_iter().map(|(role, path)| format!("{role}:{path}"));
        (kind, files.collect(), config.lines)
    }

    #[test]
    fn grub_tells_kernel_initrds_and_chained_loaders_of_each_entry() {
        let text = "set timeout=5\nmenuentry 'Debian' --class x {\n  linux /vmlinuz root=UUID=1 ro\n  initrd /ucode.img \
                    /initrd.img\n}\nmenuentry \"Other\" {\n\tchainloader /EFI/x.efi\n}\n";
        let files = ["kernel:/vmlinuz", "initrd:/ucode.img", "initrd:/initrd.img", "program:/EFI/x.efi"];
        assert_eq!(
            told("boot/grub/grub.cfg", text),
            ("grub-config", files.map(str::to_owned).to_vec(), vec!["root=UUID=1 ro".into()])
        );
    }

    #[test]
    fn syslinux_and_bls_and_ipxe_are_told_apart() {
        let text = "DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND initrd=a.img,b.img quiet\n";
        let files = ["kernel:vmlinuz", "initrd:a.img", "initrd:b.img"].map(str::to_owned).to_vec();
        assert_eq!(told("x.cfg", text), ("syslinux-config", files, vec!["initrd=a.img,b.img quiet".into()]));
        let text = "title Debian\nversion 6.1\nlinux /a/linux\ninitrd /a/initrd\noptions quiet\n";
        let files = ["kernel:/a/linux", "initrd:/a/initrd"].map(str::to_owned).to_vec();
        assert_eq!(told("loader/entries/a.conf", text), ("bls-entry", files, vec!["quiet".into()]));
        let text = "#!ipxe\nkernel --name k http://h/k console=ttyS0 || goto x\ninitrd http://h/i\nboot\n";
        let files = ["kernel:http://h/k", "initrd:http://h/i"].map(str::to_owned).to_vec();
        assert_eq!(told("a", text), ("ipxe-script", files, vec!["console=ttyS0".into()]));
    }

    #[test]
    fn a_relative_path_stays_within_its_file_system() {
        assert_eq!(join("boot/grub", "../vmlinuz"), "boot/vmlinuz");
        assert_eq!(join("a", "../../../b"), "b");
    }
}
