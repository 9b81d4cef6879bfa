//! QEMU's machine protocol, as much of it as ending, unplugging and photographing a machine takes: lines of JSON over a socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::Error;

/// QEMU answers at once, or it hangs and has to be killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that QEMU may say to two commands, events included.
const MAX_ANSWERS: u64 = 1 << 20;

/// Asks QEMU to end as if its window were closed: disks flushed, terminal put back.
pub(super) fn quit(socket: &Path) -> Result<(), Error> {
    tell(socket, r#"{"execute": "quit"}"#)
}

/// Pulls the first network card's cable out of the machine.
pub(super) fn unplug(socket: &Path) -> Result<(), Error> {
    tell(socket, r#"{"execute": "set_link", "arguments": {"name": "net", "up": false}}"#)
}

/// Writes a picture of the screen into `file`.
pub(super) fn screenshot(socket: &Path, file: &Path) -> Result<(), Error> {
    let command = serde_json::json!({"execute": "screendump", "arguments": {"filename": file}});
    tell(socket, &command.to_string())
}

fn tell(socket: &Path, command: &str) -> Result<(), Error> {
    let doing = || Error::io(format!("talking to QEMU at {}", socket.display()));
    let mut stream = UnixStream::connect(socket).map_err(doing())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(doing())?;
    let mut answers = BufReader::new(stream.try_clone().map_err(doing())?.take(MAX_ANSWERS)).lines();
    for command in [r#"{"execute": "qmp_capabilities"}"#, command] {
        stream.write_all(format!("{command}\n").as_bytes()).map_err(doing())?;
        await_return(&mut answers).map_err(doing())?;
    }
    Ok(())
}

/// Reads past greeting and events to the answer of a command.
fn await_return(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> std::io::Result<()> {
    for line in lines {
        let answer: serde_json::Value = serde_json::from_str(&line?)?;
        if answer.get("return").is_some() {
            return Ok(());
        }
        if let Some(error) = answer.get("error") {
            return Err(std::io::Error::other(error.to_string()));
        }
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}
