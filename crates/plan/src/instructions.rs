//! What this machine is told to do: the kernel's command line and the pin of the build.

use bootwright_image::cmdline::{BootOptions, CommandLine};
use bootwright_image::manifest::Mode;
use bootwright_image::{MAX_MANIFEST, Pin};

use crate::{foreign, live, pull};

/// The instructions, read once.
#[derive(Debug, Clone)]
pub struct Instructions {
    /// The build's command line with the machine's own behind it, so that the machine's wins key by key.
    pub line: CommandLine,
    /// Its `bootwright.*` parameters.
    pub options: BootOptions,
    /// What the build wrote into the initrd, when it did.
    pub pin: Option<Pin>,
    /// Whether the initrd knows certificates, whose keys may have signed what an image says of itself.
    pub signers: bool,
    /// What could not be used, for the console.
    pub warnings: Vec<String>,
}

impl Instructions {
    /// The build's line first, the machine's own after it: the last one counts.
    pub fn combine(pin: Option<Pin>, own: &str) -> Self {
        let mut line = CommandLine::parse(pin.as_ref().map_or("", |pin| &pin.cmdline));
        let own = CommandLine::parse(own);
        // Keys that may stand there several times (`ip=`) are not mixed from two sources.
        line.parameters.retain(|built| !own.has(&built.key));
        line.parameters.extend(own.parameters);
        if !own.init_arguments.is_empty() {
            line.init_arguments = own.init_arguments;
        }
        let (mut options, errors) = BootOptions::read(&line);
        options.overlay = options.overlay.or_else(|| live::overlay(&line));
        if !line.has("bootwright.on_failure")
            && let Some(action) = pull::on_failure(&line)
        {
            options.on_failure.action = action;
        }
        let mut warnings: Vec<String> = errors.iter().map(ToString::to_string).collect();
        warnings.extend(line.parameters.iter().filter_map(|parameter| foreign::warning(&line, parameter)));
        Self { line, options, pin, signers: false, warnings }
    }

    /// Where the root comes from: the line's word, the build's, or a server.
    pub fn mode(&self) -> Mode {
        self.options.mode.or(self.pin.as_ref().map(|pin| pin.mode)).unwrap_or(Mode::Ram)
    }

    /// `: image worker_1, mode ram`, for the first line on the console.
    pub fn greeting(&self) -> String {
        let of_pin = |pin: &Pin| format!(": image {}, mode {}", pin.name, pin.mode.name());
        self.pin.as_ref().map(of_pin).unwrap_or_default()
    }
}

/// Why a pin is none.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// No build writes so much.
    #[error("{0} bytes are too many")]
    TooLong(usize),
    /// It is no JSON, or another one.
    #[error("it is malformed")]
    Malformed(#[from] serde_json::Error),
    /// It is newer than this program.
    #[error("schema {0} is unknown, this version knows 1")]
    Schema(u32),
}

/// Reads the pin of an initrd ([`bootwright_image::pin::PATH`]).
///
/// # Errors
/// [`PinError`] when the bytes are no pin that is understood.
pub fn parse_pin(bytes: &[u8]) -> Result<Pin, PinError> {
    if bytes.len() > MAX_MANIFEST {
        return Err(PinError::TooLong(bytes.len()));
    }
    let pin: Pin = serde_json::from_slice(bytes)?;
    match pin.schema {
        1 => Ok(pin),
        other => Err(PinError::Schema(other)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bootwright_image::Digest;

    pub(crate) fn pin(cmdline: &str) -> Pin {
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
        let told = warnings("rd.live.overlay=LABEL=x team=team0:eth0,eth1");
        assert!(told[0].starts_with("rd.live.overlay=LABEL=x has no effect: "), "{told:?}");
        assert!(
            told[1].starts_with("team=team0:eth0,eth1 has no effect: a machine boots through"),
            "{told:?}"
        );
    }

    #[test]
    fn a_pin_of_another_schema_is_refused() {
        let mut other = pin("");
        other.schema = 2;
        let bytes = serde_json::to_vec(&other).unwrap();
        assert!(parse_pin(&bytes).unwrap_err().to_string().contains("schema 2"));
    }
}
