//! Waiting for machines, and telling what came of it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use bootwright_vm::{Machine, NotSeen, Seen, Server, Transcript};
use regex_lite::Regex;
use serde_json::json;

use crate::failure::{Failure, Kind, OrFail as _};

/// Lines of the server that a failure shows.
const SERVER_TAIL: usize = 15;

/// How results are told on standard output.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Output {
    /// A line for each machine.
    Lines,
    /// One JSON list.
    Json,
}

/// Waits until every console matches, within one `patience` for all.
pub(super) fn until_seen(
    machines: &[Machine],
    server: Option<&Server>,
    pattern: &Regex,
    patience: Duration,
    output: Output,
) -> Result<(), Failure> {
    let deadline = Instant::now() + patience;
    let mut results = Vec::new();
    for machine in machines {
        let left = deadline.saturating_duration_since(Instant::now());
        let result = machine.expect(pattern, left);
        if output == Output::Lines {
            tell(machine, &result);
        }
        results.push((machine, result));
    }
    if output == Output::Json {
        let list: serde_json::Value =
            results.iter().map(|(machine, result)| as_json(machine, result)).collect();
        println!("{list:#}");
    }
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    if failed == 0 {
        return Ok(());
    }
    if let Some(server) = server {
        eprintln!("the server said:");
        server.transcript().tail(SERVER_TAIL).iter().for_each(|line| eprintln!("    {line}"));
    }
    let text = format!("{failed} of {} machines did not say /{}/", machines.len(), pattern.as_str());
    Err(Failure::message(Kind::Bad, text))
}

fn tell(machine: &Machine, result: &Result<Seen, NotSeen>) {
    match result {
        Ok(seen) => println!("{} after {:.1} s: {}", machine.mac(), seen.at.as_secs_f64(), seen.line),
        Err(unseen) => eprintln!("{}: {unseen}", machine.mac()),
    }
}

fn as_json(machine: &Machine, result: &Result<Seen, NotSeen>) -> serde_json::Value {
    match result {
        Ok(seen) => json!({"mac": machine.mac(), "seconds": seen.at.as_secs_f64(), "line": seen.line}),
        Err(unseen) => json!({"mac": machine.mac(), "seconds": null, "last_lines": unseen.tail}),
    }
}

/// Waits until every machine has ended by itself, or ends them when the time is over.
pub(super) fn until_ended(machines: Vec<Machine>, limit: Option<Duration>) -> Result<(), Failure> {
    let begun = Instant::now();
    for mut machine in machines {
        let left = limit.map_or(Duration::MAX, |limit| limit.saturating_sub(begun.elapsed()));
        match machine.wait(left).or_environment()? {
            None => machine.quit().or_environment()?,
            Some(status) if status.success() => {}
            Some(status) => {
                machine.console().tail(SERVER_TAIL).iter().for_each(|line| eprintln!("    {line}"));
                let text = format!("QEMU of {} ended with {status}", machine.mac());
                return Err(Failure::message(Kind::Environment, text));
            }
        }
    }
    Ok(())
}

/// Shows a console on standard output, each line behind the machine's address.
pub(super) fn show(console: &Transcript, mac: &str) {
    let (console, mac) = (console.clone(), mac.to_owned());
    std::thread::spawn(move || {
        for number in 0.. {
            let Some(seen) = console.line(number) else { return };
            // A closed standard output ends the showing, not the machines.
            if writeln!(std::io::stdout(), "{mac} {}", seen.line).is_err() {
                return;
            }
        }
    });
}
