use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use bootwright_build::uki::installed_stub;
use bootwright_formats::pe::Machine;
use bootwright_serve::boot_files::{installed_ipxe, installed_memtest};
use bootwright_serve::{Cpu, Firmware};
use bootwright_vm::Lab;
use bootwright_vm::machine::Ovmf;
use clap::Args;
use serde_json::json;

use crate::failure::{Failure, Kind};

/// Say what this machine lacks for each verb, and how to get it.
///
/// Exit status 1 when something is missing that a verb cannot do without.
///
/// Example: bootwright doctor
#[derive(Args)]
pub struct Doctor {
    /// Print a JSON list instead.
    #[arg(long)]
    json: bool,
}

/// How much a verb needs a thing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// The verb does not work without it.
    Always,
    /// Only what `purpose` says does not work without it.
    Sometimes,
}

/// Where a thing comes from.
struct Origin {
    /// Debian's package.
    debian: &'static str,
    /// The upstream project, by which other distributions name theirs.
    upstream: &'static str,
}

/// Programs that a verb uses.
struct Part {
    verb: &'static str,
    need: Need,
    /// Their names.
    names: &'static [&'static str],
    purpose: &'static str,
    origin: Origin,
}

const fn part(
    verb: &'static str,
    need: Need,
    names: &'static [&'static str],
    purpose: &'static str,
    origin: (&'static str, &'static str),
) -> Part {
    Part { verb, need, names, purpose, origin: Origin { debian: origin.0, upstream: origin.1 } }
}

use Need::{Always, Sometimes};

const UTIL_LINUX: (&str, &str) = ("util-linux", "util-linux");
const IPXE: Origin = Origin { debian: "ipxe", upstream: "iPXE" };

/// Without it a switch in user space connects the machines.
const BRIDGE: &str = "a bridge for the machines, else a switch in user space";

const PARTS: &[Part] = &[
    part("build", Sometimes, &["mksquashfs"], "a root as squashfs", ("squashfs-tools", "squashfs-tools")),
    part("build", Sometimes, &["mmdebstrap"], "a root from Debian packages", ("mmdebstrap", "mmdebstrap")),
    part("build", Sometimes, &["skopeo"], "a root from a registry", ("skopeo", "skopeo")),
    part("build", Sometimes, &["newuidmap"], "Debian packages without root", ("uidmap", "shadow")),
    part("vm", Always, &["qemu-system-x86_64"], "machines", ("qemu-system-x86", "QEMU")),
    part("vm", Always, &["setpriv"], "machines that end with us", UTIL_LINUX),
    part("vm", Sometimes, &["unshare", "nsenter"], BRIDGE, UTIL_LINUX),
    part("vm", Sometimes, &["ip"], BRIDGE, ("iproute2", "iproute2")),
    part("vm", Always, &["curl"], "asking the server in there", ("curl", "curl")),
];

/// What was found out about one thing.
struct Finding {
    verb: &'static str,
    need: Need,
    what: String,
    purpose: &'static str,
    /// Where it is, or what to do.
    state: Result<String, String>,
}

impl Doctor {
    /// Looks at everything and tells.
    pub fn run(self) -> Result<(), Failure> {
        let mut findings: Vec<_> = PARTS.iter().flat_map(examine).collect();
        findings.extend(files());
        findings.extend([subordinate_ids(), ovmf(), kvm()]);
        findings.extend(network());
        findings.sort_by_key(|finding| finding.verb);
        if self.json {
            println!("{:#}", findings.iter().map(as_json).collect::<serde_json::Value>());
        } else {
            findings.iter().for_each(print);
        }
        let missing = findings.iter().filter(|finding| finding.need == Always && finding.state.is_err());
        match missing.count() {
            0 => Ok(()),
            1 => Err(Failure::message(Kind::Bad, "one thing is missing that a verb cannot do without")),
            count => {
                let text = format!("{count} things are missing that a verb cannot do without");
                Err(Failure::message(Kind::Bad, text))
            }
        }
    }
}

/// Files that the verbs look for by themselves: they are asked where.
fn files() -> [Finding; 4] {
    let finding = |verb, need, what: &str, purpose, path: Option<PathBuf>, origin: &Origin| Finding {
        verb,
        need,
        what: what.to_owned(),
        purpose,
        state: path.map(|path| path.display().to_string()).ok_or_else(|| origin.advice()),
    };
    let stub = Some(installed_stub(Machine::X64)).filter(|path| path.is_file());
    let systemd = Origin { debian: "systemd-boot-efi", upstream: "systemd-stub" };
    let memory_test = Origin { debian: "memtest86+", upstream: "Memtest86+" };
    let (bios, uefi) =
        (installed_ipxe(Firmware::Bios, Cpu::X86), installed_ipxe(Firmware::Uefi, Cpu::X86_64));
    [
        finding("build", Always, "linuxx64.efi.stub", "the stub of a UKI", stub, &systemd),
        finding("serve", Sometimes, "iPXE for BIOS", "machines with a BIOS", bios, &IPXE),
        finding("serve", Sometimes, "iPXE for UEFI", "UEFI machines that boot by PXE", uefi, &IPXE),
        finding(
            "serve",
            Sometimes,
            "memtest86+",
            "a memory test in the menu",
            installed_memtest(),
            &memory_test,
        ),
    ]
}

/// Each program of a part is a finding.
fn examine(part: &Part) -> Vec<Finding> {
    let finding = |what: &str, found: Option<PathBuf>| Finding {
        verb: part.verb,
        need: part.need,
        what: what.to_owned(),
        purpose: part.purpose,
        state: found.map(|path| path.display().to_string()).ok_or_else(|| part.origin.advice()),
    };
    part.names.iter().map(|name| finding(name, program(name))).collect()
}

impl Origin {
    fn advice(&self) -> String {
        format!("Debian's package {}; upstream {}", self.debian, self.upstream)
    }
}

/// Where `name` lies: in `PATH`, or where an ordinary user's `PATH` does not lead.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).map(|place| place.join(name)).find(|file| file.is_file())
}

fn ovmf() -> Finding {
    let state = Ovmf::find().map(|found| found.code.display().to_string()).map_err(|error| error.to_string());
    Finding { verb: "vm", need: Sometimes, what: "OVMF".into(), purpose: "machines with UEFI", state }
}

fn kvm() -> Finding {
    let state = match OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok("/dev/kvm; whether it runs a kernel is tried at the first boot".to_owned()),
        Err(error) => Err(format!("/dev/kvm: {error}: be in its group, or live with TCG")),
    };
    Finding { verb: "vm", need: Sometimes, what: "KVM".into(), purpose: "fast machines", state }
}

/// Tries what `vm` does: namespaces with a bridge, and a tap on it.
fn network() -> Vec<Finding> {
    let finding = |what: &str, state| Finding {
        verb: "vm",
        need: Sometimes,
        what: what.into(),
        purpose: BRIDGE,
        state,
    };
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(error) => return vec![finding("private namespaces", Err(error.to_string()))],
    };
    let tap = match lab.tap() {
        Ok(_) => Ok("/dev/net/tun".to_owned()),
        Err(error) => Err(format!("{error}: modprobe tun, and make /dev/net/tun open to this user")),
    };
    vec![finding("private namespaces", Ok("they can be made".into())), finding("tap devices", tap)]
}

/// mmdebstrap without root needs user ids of its own: newuidmap(1) takes them from /etc/subuid.
fn subordinate_ids() -> Finding {
    let uid = rustix::process::getuid();
    let user = std::env::var("USER").unwrap_or_else(|_| uid.as_raw().to_string());
    let names = [user.clone(), uid.as_raw().to_string()];
    let has = |file| {
        let text = std::fs::read_to_string(Path::new(file)).unwrap_or_default();
        names.iter().any(|name| has_range(&text, name))
    };
    let state = if uid.is_root() || (has("/etc/subuid") && has("/etc/subgid")) {
        Ok("/etc/subuid".to_owned())
    } else {
        Err(format!("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"))
    };
    let what = "subordinate ids".into();
    Finding { verb: "build", need: Sometimes, what, purpose: "Debian packages without root", state }
}

/// Whether `user`, a name or a number, has a line `user:first:count` with at least 65536 ids (subuid(5)).
fn has_range(text: &str, user: &str) -> bool {
    let count = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then_some(())?;
        fields.nth(1)?.trim().parse::<u64>().ok()
    };
    text.lines().filter_map(count).any(|count| count >= 65536)
}

fn print(finding: &Finding) {
    let Finding { verb, what, purpose, .. } = finding;
    match (&finding.state, finding.need) {
        (Ok(place), _) => println!("{verb:6} ok        {what:20} {place}"),
        (Err(advice), Always) => println!("{verb:6} MISSING   {what:20} for {purpose}: {advice}"),
        (Err(advice), Sometimes) => println!("{verb:6} without   {what:20} for {purpose}: {advice}"),
    }
}

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "verb": finding.verb,
        "what": finding.what,
        "purpose": finding.purpose,
        "required": finding.need == Always,
        "found": finding.state.as_ref().ok(),
        "advice": finding.state.as_ref().err(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_with_its_package() {
        const NOTHING: Part = part("vm", Always, &["no-such-program"], "x", ("some-package", "Some"));
        let finding = &examine(&NOTHING)[0];
        assert_eq!(finding.state, Err("Debian's package some-package; upstream Some".to_owned()));
    }

    #[test]
    fn each_program_of_a_part_is_looked_for() {
        const PAIR: Part = part("vm", Always, &["no-such-program", "sh"], "x", ("dash", "dash"));
        let states: Vec<_> = examine(&PAIR).into_iter().map(|finding| finding.state.is_ok()).collect();
        assert_eq!(states, [false, true]);
    }

    #[test]
    fn too_few_subordinate_ids_are_none() {
        assert!(has_range("ann:100000:65536\n", "ann"));
        assert!(!has_range("ann:100000:10\nbob:100000:65536\n", "ann"));
        assert!(!has_range("ann\nann:x\nann:1:y\n", "ann"));
    }
}
