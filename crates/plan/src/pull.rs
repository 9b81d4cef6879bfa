//! systemd's images to pull: `rd.systemd.pull=OPTIONS:NAME:URL`, systemd-import-generator(8) of 257 to 260.
//!
//! | option | meaning here |
//! |---|---|
//! | `raw` `tar` | a disk image or file system; a tree of files. Each of them packed by gzip, xz or zstd, or not |
//! | `machine` … `confext` | the class, which says where systemd keeps it: no difference here |
//! | `verify=signature` | the default: only what [a digest or a root hash](crate::foreign_root::Check) vouches for |
//! | `verify=checksum` | `URL.sha256` or `SHA256SUMS` beside the file, as systemd asks for them |
//! | `verify=no` | nothing, as there, and the console says so |
//! | `blockdev` | what `root=` can name: implied for the image that is the root |
//! | `bootorigin` | URL is the last part of where the firmware loaded the UKI from |
//! | `ro` `rw` `runtime=` | all is in memory, in any case |
//!
//! The root is the image that `root=` names ([`root`]); further ones are left to the system. Not supported: bzip2,
//! `file:`, the credential `import.pull`.

use bootwright_image::cmdline::{CommandLine, FailureAction};
use url::Url;

use crate::part::Part;

/// The key.
pub const KEY: &str = "rd.systemd.pull";

/// The variable of the Boot Loader Interface that `bootorigin` reads.
pub const ORIGIN: &str = "StubDeviceURL";

/// What systemd takes off the end of a file's name when the image has none of its own.
const SUFFIXES: &[&str] = &[".zst", ".xz", ".gz", ".bz2", ".tgz", ".tar", ".raw", ".img", ".bin"];

/// What is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A disk image or a file system.
    Raw,
    /// A tree of files.
    Tar,
}

/// What is asked of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Nothing.
    No,
    /// The checksum beside it.
    Checksum,
    /// A checksum beside it that somebody signed.
    Signature,
}

/// One image to pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// What it is.
    pub form: Form,
    /// What `root=` calls it.
    pub name: String,
    /// What is asked of its bytes.
    pub verify: Verify,
    /// Its URL, or with [`boot_origin`](Self::boot_origin) the last part of it.
    pub remote: String,
    /// Whether it lies beside the UKI.
    pub boot_origin: bool,
    /// Options that nobody knows.
    pub unknown: Vec<String>,
}

impl Pull {
    /// Reads a value of the parameter.
    ///
    /// # Errors
    /// What systemd refuses, in words.
    pub fn parse(value: &str) -> Result<Self, String> {
        let mut parts = value.splitn(3, ':');
        let (Some(options), Some(name), Some(remote)) = (parts.next(), parts.next(), parts.next()) else {
            return Err("it takes three parts, OPTIONS:NAME:URL".to_owned());
        };
        let (mut form, mut class) = (None, false);
        let mut pull = Self {
            form: Form::Raw,
            name: name.to_owned(),
            verify: Verify::Signature,
            remote: remote.to_owned(),
            boot_origin: false,
            unknown: Vec::new(),
        };
        let mut blockdev = false;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "raw" => form = Some(Form::Raw),
                "tar" => form = Some(Form::Tar),
                "machine" | "portable" | "sysext" | "confext" => class = true,
                "verify=no" => pull.verify = Verify::No,
                "verify=checksum" => pull.verify = Verify::Checksum,
                "verify=signature" => pull.verify = Verify::Signature,
                "blockdev" => blockdev = true,
                "bootorigin" => pull.boot_origin = true,
                "ro" | "rw" => {}
                option if option.starts_with("runtime=") => {}
                option => pull.unknown.push(option.to_owned()),
            }
        }
        pull.form = form.ok_or("it says neither raw nor tar")?;
        if !class {
            return Err("it says no class: machine, portable, sysext or confext".to_owned());
        }
        if blockdev && pull.form == Form::Tar {
            return Err("blockdev is for raw images".to_owned());
        }
        if pull.name.is_empty() {
            pull.name = short_name(&pull.remote);
        }
        match pull.name.as_str() {
            "" | "." | ".." => Err(format!("{:?} is no name of an image", pull.name)),
            name if name.contains('/') => Err(format!("{name:?} is no name of an image")),
            _ => Ok(pull),
        }
    }

    /// Where it is; `variable` reads a firmware variable.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn url(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Url, String> {
        if !self.boot_origin {
            return Url::parse(&self.remote).map_err(|error| error.to_string());
        }
        let origin = variable(ORIGIN)
            .ok_or_else(|| format!("bootorigin, and the firmware has no variable {ORIGIN}: only an UKI that was loaded by HTTP, by systemd-stub 258 or newer, knows where it came from"))?;
        let url = Url::parse(&origin).map_err(|error| format!("{ORIGIN} is {origin:?}: {error}"))?;
        url.join(&self.remote).map_err(|error| error.to_string())
    }
}

/// The image that is the root, and which part of it: the one that `root=` names, else the one there is.
pub fn root(line: &CommandLine) -> Option<(Pull, Part)> {
    let pulls: Vec<Pull> = line.all(KEY).filter_map(|value| Pull::parse(value).ok()).collect();
    match line.get("root").filter(|root| !root.is_empty() && *root != "gpt-auto") {
        // systemd's own search takes the image of that name.
        None => match &pulls[..] {
            [one] => Some((one.clone(), Part::Discovered)),
            all => {
                let named = all.iter().find(|pull| pull.name == "rootdisk")?;
                Some((named.clone(), Part::Discovered))
            }
        },
        Some(root) => {
            let found = pulls.iter().find_map(|pull| Some((pull.clone(), named_by(root, pull)?)));
            // Names of partitions do not tell of which image they are.
            found.or_else(|| match &pulls[..] {
                [one] if one.form == Form::Raw => Some((one.clone(), Part::by_table(root)?)),
                _ => None,
            })
        }
    }
}

/// The part of `pull` that `root=` names in systemd's ways.
fn named_by(root: &str, pull: &Pull) -> Option<Part> {
    if pull.form == Form::Tar {
        let tree = root.strip_prefix("bind:")?.trim_end_matches('/');
        return (tree.rsplit('/').next() == Some(&pull.name)).then_some(Part::Whole);
    }
    let device = root.strip_prefix("/dev/disk/by-loop-ref/")?;
    let rest = device.strip_prefix(&pull.name)?.strip_prefix(".raw")?;
    match rest.strip_prefix("-part") {
        None => rest.is_empty().then_some(Part::Whole),
        Some(number) => number.parse().ok().map(Part::Number),
    }
}

/// systemd's actions (systemd.unit(5)), as far as a machine can do them before its root is entered.
fn action(text: &str) -> Option<FailureAction> {
    let word = text.split('-').next().unwrap_or_default();
    match word {
        "reboot" | "kexec" | "soft" => Some(FailureAction::Reboot),
        "poweroff" | "halt" | "exit" => Some(FailureAction::Poweroff),
        _ => None,
    }
}

/// What `rd.systemd.pull.success_action=` asks for instead of entering the root.
pub fn on_success(line: &CommandLine) -> Option<FailureAction> {
    line.get("rd.systemd.pull.success_action").and_then(action)
}

/// What `rd.systemd.pull.failure_action=` asks for.
pub fn on_failure(line: &CommandLine) -> Option<FailureAction> {
    line.get("rd.systemd.pull.failure_action").and_then(action)
}

/// The name that systemd derives from a URL.
fn short_name(remote: &str) -> String {
    let path = remote.split(['?', '#']).next().unwrap_or_default();
    let mut name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    while let Some(rest) = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)) {
        name = rest;
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(line: &str) -> Option<(String, Part)> {
        root(&CommandLine::parse(line)).map(|(pull, part)| (pull.name, part))
    }

    #[test]
    fn the_examples_of_the_manual_page_are_read() {
        let pull =
            Pull::parse("raw,machine,verify=no,blockdev:image:https://example.com/image.raw.xz").unwrap();
        assert_eq!((pull.form, pull.verify, pull.name.as_str()), (Form::Raw, Verify::No, "image"));
        assert_eq!(pull.url(|_| None).unwrap().as_str(), "https://example.com/image.raw.xz");
        let pull = Pull::parse("raw,confext::https://example.com/myconfext.raw.gz").unwrap();
        assert_eq!((pull.name.as_str(), pull.verify), ("myconfext", Verify::Signature));
        let pull = Pull::parse("tar,machine,verify=no,bootorigin:root:image.tar.xz").unwrap();
        let stub = |name: &str| (name == "StubDeviceURL").then(|| "http://s/a/uki.efi".to_owned());
        assert_eq!(pull.url(stub).unwrap().as_str(), "http://s/a/image.tar.xz");
        assert!(pull.url(|_| None).unwrap_err().contains("StubDeviceURL"));
    }

    #[test]
    fn what_systemd_refuses_is_refused_and_what_it_passes_over_is_named() {
        for (value, word) in [
            ("raw", "three parts"),
            ("raw,machine:x", "three parts"),
            ("machine:x:http://s/x", "neither raw nor tar"),
            ("raw:x:http://s/x", "no class"),
            ("tar,machine,blockdev:x:http://s/x", "for raw"),
            ("raw,machine:a/b:http://s/x", "no name"),
            ("raw,machine::http://s/..", "no name"),
        ] {
            assert!(Pull::parse(value).unwrap_err().contains(word), "{value}");
        }
        let odd = Pull::parse("raw,machine,runtime=yes,verify=maybe,x:n:http://s/x").unwrap();
        assert_eq!(odd.unknown, ["verify=maybe", "x"]);
    }

    #[test]
    fn the_root_is_the_image_that_is_named() {
        let raw = "rd.systemd.pull=raw,machine,verify=no,blockdev:image:http://s/i.raw";
        let tar = "rd.systemd.pull=tar,machine,verify=no:tree:http://s/t.tar";
        let named = |name: &str, part| Some((name.to_owned(), part));
        for (root, wanted) in [
            ("root=/dev/disk/by-loop-ref/image.raw-part2", named("image", Part::Number(2))),
            ("root=/dev/disk/by-loop-ref/image.raw", named("image", Part::Whole)),
            ("root=bind:/run/machines/tree", named("tree", Part::Whole)),
            ("root=/dev/disk/by-loop-ref/other.raw", None),
            ("root=/dev/sda1", None),
            ("", None),
        ] {
            assert_eq!(found(&format!("{raw} {tar} {root}")), wanted, "{root}");
        }
        assert_eq!(found(&format!("{raw} root=gpt-auto")), named("image", Part::Discovered));
        assert_eq!(found(&format!("{raw} root=PARTLABEL=os")), named("image", Part::Label("os".into())));
        let disk = raw.replace("image", "rootdisk");
        assert_eq!(found(&format!("{tar} {disk}")), named("rootdisk", Part::Discovered));
    }

    #[test]
    fn actions_are_those_of_systemd() {
        let line = |text: &str| CommandLine::parse(&format!("rd.systemd.pull.failure_action={text}"));
        assert_eq!(on_failure(&line("reboot-force")), Some(FailureAction::Reboot));
        assert_eq!(on_failure(&line("poweroff")), Some(FailureAction::Poweroff));
        assert_eq!(on_failure(&line("none")), None);
        assert_eq!(on_success(&line("reboot")), None);
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_harm(value in any::<String>()) {
            if let Ok(pull) = Pull::parse(&value) {
                prop_assert!(!pull.name.contains('/'));
                let _ = pull.url(|_| Some("http://s/x".to_owned()));
            }
        }
    }
}
