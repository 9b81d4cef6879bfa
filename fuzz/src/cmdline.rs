//! The kernel command line.

use bootwright_image::cmdline::{BootOptions, CommandLine};

/// Every text is a command line; reading our options from it never fails otherwise than by a list.
pub fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let line = CommandLine::parse(&text);
    let _ = BootOptions::read(&line);
    let _ = line.to_string();
}

/// A valid input.
pub fn seed() -> Vec<u8> {
    b"quiet \"a=b c\" bootwright.image=http://10.0.0.1/images/a/image.json bootwright.on_failure=shell,30 -- x"
        .to_vec()
}
