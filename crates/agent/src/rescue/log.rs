//! What the agent has said: its records in the kernel's log (dev-kmsg: `priority,sequence,microseconds,flags;text`).

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;

/// What the agent's records begin with.
const OURS: &str = "bootwright: ";

/// A record with its prefix and dictionary is shorter.
const MAX_RECORD: usize = 8 << 10;

/// Prints them.
pub fn show() -> Result<(), String> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open("/dev/kmsg");
    let mut log = opened.map_err(|error| format!("/dev/kmsg: {error}"))?;
    let mut buffer = vec![0; MAX_RECORD];
    loop {
        match log.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                let record = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
                if let Some(line) = line(&record) {
                    println!("{line}");
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // EPIPE: records were overwritten meanwhile; the next read goes on behind them.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) => {}
            Err(error) => return Err(format!("/dev/kmsg: {error}")),
        }
    }
}

/// The line of a record that is ours, with its time as on the console.
fn line(record: &str) -> Option<String> {
    let (head, rest) = record.split_once(';')?;
    let text = rest.lines().next()?.strip_prefix(OURS)?;
    let micros: u64 = head.split(',').nth(2)?.parse().ok()?;
    Some(format!("[{:>5}.{:03}] {text}", micros / 1_000_000, micros / 1000 % 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agents_own_records_are_shown() {
        let record = "15,812,3250000,-;bootwright: eth0: no signal\n SUBSYSTEM=net\n";
        assert_eq!(line(record).as_deref(), Some("[    3.250] eth0: no signal"));
        assert_eq!(line("6,1,0,-;Linux version 6.1\n"), None);
        assert_eq!(line(""), None);
    }
}
