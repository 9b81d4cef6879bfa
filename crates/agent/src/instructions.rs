//! What this machine is told to do: the kernel's command line and the pin of the build.

use std::fs;

use bootwright_image::cmdline::{BootOptions, CommandLine};
use bootwright_image::{MAX_MANIFEST, Pin, pin};

/// The compatibility marker an initrd can carry instead of `bootwright.compat=aria2` on its line.
const COMPAT_ARIA2: &str = "/bootwright/compat.aria2";

/// A parameter of another boot system that has no effect here, though a set-up may count on it.
struct Foreign {
    key: &'static str,
    /// How the value begins, where the key alone says nothing.
    value: &'static str,
    /// Why it has none, and what to say instead.
    instead: &'static str,
}

const FOREIGN: &[Foreign] = &[
    Foreign {
        key: "root",
        value: "live:",
        instead: "name the image by bootwright.image= and bootwright.digest=",
    },
    Foreign {
        key: "rd.systemd.pull",
        value: "",
        instead: "name the image by bootwright.image= and bootwright.digest=",
    },
    Foreign { key: "ntp", value: "", instead: CLOCK },
    Foreign { key: "ntpserver", value: "", instead: CLOCK },
    Foreign { key: "rd.ntp", value: "", instead: CLOCK },
];

const CLOCK: &str = "no time server is asked, the clock is set by the date of the image and of its server";

impl Foreign {
    fn warning(&self, line: &CommandLine) -> Option<String> {
        let value = line.all(self.key).find(|value| value.starts_with(self.value))?;
        Some(format!("{}={value} has no effect: {}", self.key, self.instead))
    }
}

/// The instructions, read once.
#[derive(Debug, Clone)]
pub struct Instructions {
    /// The build's command line with the machine's own behind it, so that the machine's wins key by key.
    pub line: CommandLine,
    /// Its `bootwright.*` parameters.
    pub options: BootOptions,
    /// What the build wrote into the initrd, when it did.
    pub pin: Option<Pin>,
    /// What could not be used, for the console.
    pub warnings: Vec<String>,
}

impl Instructions {
    /// Reads `/proc/cmdline` and `/bootwright/pin.json`.
    pub fn read() -> Self {
        let (pin, mut warnings) = match fs::read(pin::PATH) {
            Ok(bytes) => match parse_pin(&bytes) {
                Ok(pin) => (Some(pin), vec![]),
                Err(problem) => (None, vec![format!("{}: {problem}: the pin is not used", pin::PATH)]),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (None, vec![]),
            Err(error) => (None, vec![format!("{}: {error}", pin::PATH)]),
        };
        let own = fs::read("/proc/cmdline").unwrap_or_else(|error| {
            warnings.push(format!("/proc/cmdline: {error}"));
            Vec::new()
        });
        let mut instructions = Self::combine(pin, &String::from_utf8_lossy(&own));
        instructions.options.compat_aria2 |= fs::exists(COMPAT_ARIA2).unwrap_or(false);
        warnings.append(&mut instructions.warnings);
        Self { warnings, ..instructions }
    }

    /// The build's line first, the machine's own after it: the last one counts.
    fn combine(pin: Option<Pin>, own: &str) -> Self {
        let mut line = CommandLine::parse(pin.as_ref().map_or("", |pin| &pin.cmdline));
        let own = CommandLine::parse(own);
        // Keys that may stand there several times (`ip=`) are not mixed from two sources.
        line.parameters.retain(|built| !own.has(&built.key));
        line.parameters.extend(own.parameters);
        if !own.init_arguments.is_empty() {
            line.init_arguments = own.init_arguments;
        }
        let (options, errors) = BootOptions::read(&line);
        let mut warnings: Vec<String> = errors.iter().map(ToString::to_string).collect();
        warnings.extend(FOREIGN.iter().filter_map(|foreign| foreign.warning(&line)));
        Self { line, options, pin, warnings }
    }

    /// `: image worker_1, mode ram`, for the first line on the console.
    pub fn greeting(&self) -> String {
        let of_pin = |pin: &Pin| format!(": image {}, mode {}", pin.name, pin.mode.name());
        self.pin.as_ref().map(of_pin).unwrap_or_default()
    }
}

fn parse_pin(bytes: &[u8]) -> Result<Pin, String> {
    if bytes.len() > MAX_MANIFEST {
        return Err(format!("{} bytes are too many", bytes.len()));
    }
    let pin: Pin = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    match pin.schema {
        1 => Ok(pin),
        other => Err(format!("schema {other} is unknown, this agent knows 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::Digest;
    use bootwright_image::manifest::Mode;

    fn pin(cmdline: &str) -> Pin {
        Pin {
            schema: 1,
            name: "worker".into(),
            mode: Mode::Ram,
            root_manifest: Digest::of(b""),
            image: None,
            built: 0,
            cmdline: cmdline.into(),
        }
    }

    #[test]
    fn the_line_of_the_machine_wins_key_by_key_over_the_line_of_the_build() {
        let built = pin("ip=eth0:dhcp ip=eth1:dhcp bootwright.overlay=1G bootwright.report=http://a/");
        let instructions = Instructions::combine(Some(built), "ip=eth2:dhcp bootwright.overlay=2G");
        assert_eq!(instructions.line.all("ip").collect::<Vec<_>>(), ["eth2:dhcp"]);
        assert_eq!(instructions.options.overlay.as_deref(), Some("2G"));
        assert_eq!(instructions.options.report.as_deref(), Some("http://a/"));
    }

    #[test]
    fn an_unknown_parameter_is_a_warning() {
        let instructions = Instructions::combine(None, "bootwright.imgae=http://x/");
        assert_eq!(instructions.warnings.len(), 1);
        assert!(instructions.warnings[0].contains("did you mean bootwright.image"));
    }

    #[test]
    fn what_another_boot_system_would_heed_is_a_warning_that_names_it() {
        let warnings = |line: &str| Instructions::combine(None, line).warnings;
        assert_eq!(warnings("root=/dev/sda1 quiet"), [""; 0]);
        let told = warnings("root=live:http://s/root.squashfs ntp=10.0.0.1");
        assert!(
            told[0].starts_with("root=live:http://s/root.squashfs has no effect: name the image"),
            "{told:?}"
        );
        assert!(told[1].starts_with("ntp=10.0.0.1 has no effect: no time server"), "{told:?}");
    }

    #[test]
    fn a_pin_of_another_schema_is_refused() {
        let mut other = pin("");
        other.schema = 2;
        let bytes = serde_json::to_vec(&other).unwrap();
        assert!(parse_pin(&bytes).unwrap_err().contains("schema 2"));
    }
}
