//! Taking the figures: GNU time for commands, /proc for servers.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Result, shell};

/// What a command cost.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// From start to end.
    pub wall: Duration,
    /// Largest resident set of any one process of it, in bytes.
    pub peak: u64,
    /// Processor time of all its processes, the kernel's on their behalf included.
    pub cpu: Duration,
}

/// Runs `command` to its end under GNU time. A command that fails is an error.
pub fn measure(command: &Command) -> Result<Usage> {
    let report = std::env::temp_dir().join(format!("bootwright-time-{}", std::process::id()));
    let mut timed = Command::new("/usr/bin/time");
    timed.arg("--quiet").args(["-f", "%e %M %U %S", "-o"]).arg(&report);
    timed.arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        timed.current_dir(directory);
    }
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(key, value),
            None => timed.env_remove(key),
        };
    }
    let output = timed.output().map_err(|error| format!("/usr/bin/time: {error}"))?;
    let text = std::fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()));
    let _ = std::fs::remove_file(&report);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?} ended with {}: {}", output.status, said.trim()));
    }
    parse(&text?)
}

fn parse(text: &str) -> Result<Usage> {
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [wall, kib, user, system] = numbers[..] else {
        return Err(format!("GNU time printed {text:?}"));
    };
    let cpu = Duration::from_secs_f64(user + system);
    Ok(Usage { wall: Duration::from_secs_f64(wall), peak: kib as u64 * 1024, cpu })
}

/// CPU time that a running process and its waited-for children have used, from proc_pid_stat(5).
pub fn cpu_of(pid: u32) -> Result<Duration> {
    /// USER_HZ on every Linux architecture that we run on.
    const TICKS_PER_SECOND: u64 = 100;
    let path = Path::new("/proc").join(pid.to_string()).join("stat");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let after_name = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    // Fields 14 to 17 of the line; the state after the name is field 3.
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(4).filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Runs `command`, which makes `output` from nothing, with the disk at rest: what an earlier run left to be
/// written is not charged to this one.
pub fn fresh(output: &Path, command: &Command) -> Result<Usage> {
    if output.exists() {
        std::fs::remove_file(output).map_err(|error| format!("{}: {error}", output.display()))?;
    }
    if let Some(directory) = output.parent() {
        shell::output(Command::new("sync").arg("-f").arg(directory))?;
    }
    measure(command)
}

/// The median of the wall times.
pub fn seconds(usages: &[Usage]) -> f64 {
    median(usages.iter().map(|usage| usage.wall.as_secs_f64()).collect())
}

/// The middle of several figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
