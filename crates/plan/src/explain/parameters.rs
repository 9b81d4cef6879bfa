//! What was made of every parameter of a line.

use bootwright_image::cmdline::{self, BootOptions, CommandLine, Problem};

use super::{Parameter, Understood};
use crate::foreign::{self, Entry, System, Verdict, entries};
use crate::{Instructions, aria2, network, proxy, pull, remote};

/// The prefix of the keys that are ours.
const OURS: &str = "bootwright.";

/// Keys that are near one of these by so many letters are taken for a slip, when they are long enough.
const SLIP: usize = 1;
const SLIP_LENGTH: usize = 5;

pub(super) fn all(instructions: &Instructions, network: &network::Plan) -> Vec<Parameter> {
    let line = &instructions.line;
    let read = |(at, parameter): (usize, &cmdline::Parameter)| {
        let (understood, text) = one(instructions, network, at, parameter);
        Parameter { parameter: parameter.to_string(), understood, text }
    };
    line.parameters.iter().enumerate().map(read).collect()
}

fn one(
    instructions: &Instructions,
    network: &network::Plan,
    at: usize,
    parameter: &cmdline::Parameter,
) -> (Understood, String) {
    let line = &instructions.line;
    if parameter.key.starts_with(OURS) {
        return ours(line, at, parameter);
    }
    if let Some(remark) = network.remarks.iter().find(|remark| remark.parameter == parameter.to_string()) {
        return match &remark.outcome {
            Ok(text) => (Understood::Used, text.clone()),
            Err(problem) => match foreign::find(parameter) {
                Some(Entry { verdict: Verdict::NotUnderstood, text, .. }) => {
                    (Understood::NoEffect, (*text).to_owned())
                }
                _ => (Understood::Wrong, problem.clone()),
            },
        };
    }
    if let Some(problem) = elsewhere(instructions, parameter) {
        return (Understood::Wrong, problem);
    }
    let of_casper = parameter.is("url") && line.get("boot") == Some("casper");
    if aria2::KEYS.iter().any(|key| parameter.is(key)) && (instructions.options.compat_aria2 || !of_casper) {
        return of_aria2(instructions, line, at, parameter);
    }
    if parameter.is(pull::KEY)
        && let Err(problem) = pull::Pull::parse(parameter.value.as_deref().unwrap_or_default())
    {
        return (Understood::Wrong, problem);
    }
    if let Some(entry) = foreign::find(parameter)
        && !entry.system.counts_on(line)
    {
        let boot = if entry.system == System::Casper { "casper" } else { "live" };
        let text = format!("a name of {}: counts with boot={boot} alone", entry.system.name());
        return (Understood::NotOurs, text);
    }
    if let Some(text) = of_no_image(line, parameter) {
        return (Understood::NotOurs, text.to_owned());
    }
    match foreign::find(parameter) {
        Some(entry) if entry.verdict == Verdict::NotUnderstood => {
            (Understood::NoEffect, entry.text.to_owned())
        }
        Some(entry) => (Understood::Used, entry.text.to_owned()),
        None => nobodys(line, at, parameter),
    }
}

/// A `root=` for a partition, or a root hash, where no image is fetched that could have it.
fn of_no_image(line: &CommandLine, parameter: &cmdline::Parameter) -> Option<&'static str> {
    let of_image = parameter.is("root")
        && foreign::find(parameter).is_some_and(|entry| entry.system == System::Systemd)
        || ["roothash", "usrhash", "mount.usr"].iter().any(|key| parameter.is(key));
    let fetched = line.has(pull::KEY) || line.has("bootwright.image");
    (of_image && !fetched).then_some("for an image of another builder (rd.systemd.pull=, bootwright.image=)")
}

/// What is wrong with dracut's parameters of proxies and of roots on other machines.
fn elsewhere(instructions: &Instructions, parameter: &cmdline::Parameter) -> Option<String> {
    if parameter.is(proxy::KEY) {
        return proxy::read(instructions).err();
    }
    let is_root = parameter.is("root") || remote::KEYS.iter().any(|key| parameter.is(key));
    let value = parameter.value.as_deref().unwrap_or_default();
    let problem = is_root.then(|| remote::read(&instructions.line).err()).flatten()?;
    problem.contains(value).then_some(problem)
}

fn ours(line: &CommandLine, at: usize, parameter: &cmdline::Parameter) -> (Understood, String) {
    let alone = CommandLine { parameters: vec![parameter.clone()], init_arguments: Vec::new() };
    let (_, errors) = BootOptions::read(&alone);
    match errors.first() {
        Some(error) => match &error.problem {
            Problem::Unknown { nearest: Some(nearest) } => {
                (Understood::Unknown, format!("did you mean {OURS}{nearest}?"))
            }
            Problem::Unknown { nearest: None } => {
                (Understood::Unknown, "there is no parameter of that name".to_owned())
            }
            Problem::Value(problem) => (Understood::Wrong, problem.clone()),
        },
        None if is_overruled(line, at, parameter) => {
            (Understood::Overruled, "the last one counts".to_owned())
        }
        None => (Understood::Used, meaning(&parameter.key).to_owned()),
    }
}

/// A later parameter has the same key.
pub(crate) fn is_overruled(line: &CommandLine, at: usize, parameter: &cmdline::Parameter) -> bool {
    line.parameters.iter().skip(at + 1).any(|later| later.is(&parameter.key))
}

fn meaning(key: &str) -> &'static str {
    match key.replace('-', "_").strip_prefix(OURS).unwrap_or_default() {
        "image" => "which image",
        "digest" => "what its bytes must be",
        "mode" => "where the root comes from",
        "cache" => "where roots are kept, in mode disk",
        "offline" => "whether what is kept boots without its server, in mode disk",
        "fallback" => "what boots when the image has failed, in mode disk",
        "overlay" => "the most that the writable layer takes",
        "report" => "where reports go",
        "peers" => "whether the root comes from other machines, too",
        "seed" => "how long the running system gives the root to others",
        "upload" => "the most that other machines are given",
        "ntp" => "who is asked for the time",
        "proxy" => "through whom servers are asked by HTTP and HTTPS",
        "no_proxy" => "hosts that are asked directly",
        "qr" => "the short form of a failure is shown as a QR code",
        "on_failure" => "what the machine does when it cannot boot",
        "compat" => "the parameters of aria2-initrd count",
        "verify" => "whether what has no digest is started, with compat=aria2 or a root on another machine",
        "debug" => "everything is told",
        _ => "the agent's own",
    }
}

fn of_aria2(
    instructions: &Instructions,
    line: &CommandLine,
    at: usize,
    parameter: &cmdline::Parameter,
) -> (Understood, String) {
    let entry = entries().find(|entry| entry.system == System::Aria2 && parameter.is(entry.key));
    let text = entry.map(|entry| entry.text).unwrap_or_default().to_owned();
    if !instructions.options.compat_aria2 {
        // Installers have the generic ones, too.
        let text = "a name of aria2-initrd: counts with bootwright.compat=aria2 alone".to_owned();
        return (Understood::NotOurs, text);
    }
    match entry {
        Some(entry) if entry.verdict == Verdict::NotUnderstood => (Understood::NoEffect, text),
        _ if is_overruled(line, at, parameter) => (Understood::Overruled, "the last one counts".to_owned()),
        _ => (Understood::Used, text),
    }
}

fn nobodys(line: &CommandLine, at: usize, parameter: &cmdline::Parameter) -> (Understood, String) {
    let not_ours = |text: &str| (Understood::NotOurs, text.to_owned());
    match parameter.key.as_str() {
        "init" if is_overruled(line, at, parameter) => {
            (Understood::Overruled, "the last one counts".to_owned())
        }
        "init" => (Understood::Used, "the program in the root that takes over".to_owned()),
        "modprobe.blacklist" | "module_blacklist" => {
            (Understood::Used, "these modules are not loaded".to_owned())
        }
        "console" => not_ours("the kernel's; what the agent says goes there, too"),
        key => match slip(key) {
            Some(meant) => (Understood::Unknown, format!("did you mean {meant}=?")),
            None if key.contains('.') && !key.starts_with("systemd.") && !key.starts_with("rd.") => {
                not_ours("the kernel's; when it names a module, the agent loads that with it")
            }
            None => not_ours("read by the kernel or the system"),
        },
    }
}

/// A key of the table that differs from this one in the case of letters or in one letter.
fn slip(key: &str) -> Option<&'static str> {
    if entries().any(|entry| entry.key == key) {
        return None;
    }
    let near = |known: &&str| {
        key.eq_ignore_ascii_case(known)
            || (key.len() >= SLIP_LENGTH && cmdline::distance(key.as_bytes(), known.as_bytes()) <= SLIP)
    };
    entries().map(|entry| entry.key).find(near)
}
