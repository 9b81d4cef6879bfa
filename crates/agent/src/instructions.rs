//! What this machine is told, read from where it stands: the kernel's command line and the pin of the build.

use std::fs;
use std::io::ErrorKind;

use bootwright_image::pin;
use bootwright_plan::parse_pin;

use crate::failure::chain;
use crate::foreign::signers::Signers;

pub use bootwright_plan::Instructions;

/// The compatibility marker an initrd can carry instead of `bootwright.compat=aria2` on its line.
const COMPAT_ARIA2: &str = "/bootwright/compat.aria2";

/// Reads `/proc/cmdline` and `/bootwright/pin.json`.
pub fn read() -> Instructions {
    let (pin, mut warnings) = match fs::read(pin::PATH) {
        Ok(bytes) => match parse_pin(&bytes) {
            Ok(pin) => (Some(pin), vec![]),
            Err(error) => (None, vec![format!("{}: {}: the pin is not used", pin::PATH, chain(&error))]),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => (None, vec![]),
        Err(error) => (None, vec![format!("{}: {error}", pin::PATH)]),
    };
    let own = fs::read("/proc/cmdline").unwrap_or_else(|error| {
        warnings.push(format!("/proc/cmdline: {error}"));
        Vec::new()
    });
    let mut instructions = Instructions::combine(pin, &String::from_utf8_lossy(&own));
    instructions.options.compat_aria2 |= fs::exists(COMPAT_ARIA2).unwrap_or(false);
    instructions.signers = !Signers::of_initrd().is_empty();
    warnings.append(&mut instructions.warnings);
    Instructions { warnings, ..instructions }
}
