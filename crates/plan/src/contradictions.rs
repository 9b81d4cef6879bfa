//! What a line contradicts itself in.

use bootwright_image::manifest::Mode;

use crate::Instructions;
use crate::boot;
use crate::disk::Terms;
use crate::foreign_root;
use crate::live;
use crate::network;
use crate::pull;
use crate::remote;

/// Keys of which one value counts.
const SINGLE: &[&str] = &[
    "bootwright.image",
    "bootwright.digest",
    "bootwright.mode",
    "bootwright.cache",
    "bootwright.offline",
    "bootwright.fallback",
    "bootwright.overlay",
    "bootwright.report",
    "bootwright.peers",
    "bootwright.seed",
    "bootwright.upload",
    "bootwright.ntp",
    "bootwright.proxy",
    "bootwright.no_proxy",
    "bootwright.on_failure",
    "BOOTIF",
    "init",
];

/// What the instructions contradict themselves in, a sentence each.
pub fn contradictions(instructions: &Instructions) -> Vec<String> {
    find(instructions, &network::Plan::read(&instructions.line))
}

pub(crate) fn find(instructions: &Instructions, network: &network::Plan) -> Vec<String> {
    let mut found: Vec<String> = SINGLE.iter().filter_map(|key| twice(instructions, key)).collect();
    found.extend(interfaces(network));
    let Instructions { options, pin, .. } = instructions;
    if boot::trusted(pin.as_ref(), options.digest).is_some_and(|trusted| trusted.overruled) {
        found
            .push("bootwright.digest= differs from the digest that the initrd pins, which counts".to_owned());
    }
    if instructions.mode() == Mode::Embed && options.image.is_some() {
        found.push("bootwright.image= has no effect: in mode embed the root is in the initrd".to_owned());
    }
    for key in ["bootwright.cache", "bootwright.offline", "bootwright.fallback"] {
        if instructions.mode() != Mode::Disk && instructions.line.has(key) {
            found.push(format!("{key}= has no effect: it is for bootwright.mode=disk"));
        }
    }
    if Terms::of(instructions).overruled {
        let why = "names other images than the initrd, which alone says what may boot";
        found.push(format!("bootwright.fallback= has no effect: it {why}"));
    }
    for key in ["bootwright.seed", "bootwright.upload"] {
        if options.peers_off && instructions.line.has(key) {
            found.push(format!("{key}= has no effect: bootwright.peers=off shares nothing"));
        }
    }
    found.extend(foreign_root::passed_over(instructions));
    let foreign = live::url(&instructions.line).is_some() || pull::root(&instructions.line).is_some();
    let remote = remote::read(&instructions.line).ok().flatten();
    if let Some(remote) = &remote {
        let why = match (options.image.is_some(), pin.is_some()) {
            (true, _) => Some("bootwright.image= counts"),
            (false, true) if !remote.is_device() => Some("the initrd pins an image, which counts"),
            (false, _) => None,
        };
        found.extend(why.map(|why| format!("the root {} has no effect: {why}", remote.describe())));
    }
    if options.no_proxy.is_some() && !matches!(crate::proxy::read(instructions), Ok(Some(_))) {
        found.push("bootwright.no_proxy= has no effect: no proxy is named".to_owned());
    }
    if options.verify_off && !options.compat_aria2 && !foreign && remote.is_none() {
        let text = "bootwright.verify=off has no effect without bootwright.compat=aria2 or a root of another system or machine";
        found.push(text.to_owned());
    }
    found
}

fn twice(instructions: &Instructions, key: &str) -> Option<String> {
    let mut values: Vec<&str> = instructions.line.all(key).collect();
    let last = values.last().copied()?;
    values.sort_unstable();
    values.dedup();
    (values.len() > 1).then(|| format!("{key}= stands there with {} values; {last} counts", values.len()))
}

/// Two `ip=` for one interface, or for all of them.
fn interfaces(network: &network::Plan) -> Vec<String> {
    let mut found = Vec::new();
    let arguments = network.arguments();
    for (at, argument) in arguments.iter().enumerate() {
        let before = arguments.iter().take(at);
        if before.clone().any(|earlier| earlier.interface == argument.interface) {
            let interface = argument.interface.as_deref().unwrap_or("no interface");
            found.push(format!("two ip= name {interface}: the first counts"));
        }
    }
    found
}
