//! Programs of erofs-utils that judge our images.

use std::path::Path;
use std::process::Command;

/// The first version that knows everything that we write.
const NEEDED: (u32, u32) = (1, 8);

/// A program of erofs-utils: what `cargo xtask setup` unpacked from Debian 13, or the installed one.
pub fn erofs_utils(program: &str) -> Command {
    let unpacked =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/judges/erofs-utils/bin").join(program);
    let path = if unpacked.is_file() { unpacked } else { program.into() };
    let output = Command::new(&path).arg("-V").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let word = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let mut numbers = word.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let version = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    assert!(version >= NEEDED, "{program} of erofs-utils 1.8 or later is needed: run `cargo xtask setup`");
    Command::new(path)
}
