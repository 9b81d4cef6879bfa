//! What the agent would do, in its order.

use bootwright_image::cmdline::{self, BootOptions, FailureAction, OnFailure, Seed};
use bootwright_image::manifest::Mode;
use url::Url;

use super::Step;
use crate::Instructions;
use crate::address::{ImageAddress, URL_VARIABLES};
use crate::aria2::{Remote, Request};
use crate::boot::{self, Boot};
use crate::disk::Terms;
use crate::foreign_root::{Check, ForeignRoot};
use crate::network::{self, Bond, Method, Vlan};
use crate::pull::{self, Form};
use crate::{proxy, time};

fn step(what: &'static str, text: impl Into<String>) -> Step {
    Step { what, text: text.into(), refused: false }
}

fn refused(what: &'static str, text: impl Into<String>) -> Step {
    Step { refused: true, ..step(what, text) }
}

pub(super) fn all(instructions: &Instructions, network: &network::Plan) -> Vec<Step> {
    let mut steps = Vec::new();
    let request = match Request::of(instructions) {
        Ok(request) => request,
        Err(problem) => {
            steps.push(refused("kexec", problem));
            None
        }
    };
    let decided = boot::decide(instructions, |name| beside_the_uki(instructions, name));
    let offline = matches!(decided, Ok(Boot::Embedded(_) | Boot::Medium(_))) && request.is_none();
    if offline {
        steps.push(step("network", "none: the root is on this machine"));
    } else {
        steps.extend(network_steps(network));
        steps.extend(around(instructions));
    }
    let ends = request.as_ref().is_some_and(|request| request.kernel.is_some());
    if let Some(request) = &request {
        steps.extend(kexec(request));
    }
    if !ends {
        match &decided {
            Ok(boot) => steps.extend(image(instructions, boot)),
            Err(refusal) => steps.push(refused("image", refusal.to_string())),
        }
    }
    steps.push(reports(instructions, &request, decided.as_ref().ok()));
    steps.push(failure(instructions.options.on_failure));
    steps
}

fn network_steps(network: &network::Plan) -> Vec<Step> {
    if network.is_off() {
        return vec![refused("network", "a network is needed, but ip= switches it off")];
    }
    let bonds = network.bonds.iter().map(Bond::describe);
    let layers = bonds.chain(network.vlans.iter().map(Vlan::describe));
    let mut steps: Vec<Step> = layers.map(|text| step("network", text)).collect();
    if network.wants_ibft {
        steps.push(step(
            "network",
            "every card that the firmware booted by, as its table of iSCSI (iBFT) says",
        ));
    }
    if network.arguments().is_empty() && !network.wants_ibft {
        let (wanted, how) = (network.wanted(), Method::Automatic.describe());
        steps.push(step("network", format!("{wanted}: {how}; the first that leads to the image is used")));
    }
    steps.extend(network.arguments().iter().map(|argument| step("network", argument.describe())));
    steps
}

/// Proxy and time servers.
fn around(instructions: &Instructions) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Ok(Some(proxy::Proxy { url, except })) = proxy::read(instructions) {
        let shown = cmdline::Proxy::By(url);
        let but = if except.is_empty() { String::new() } else { format!(", {except} directly") };
        steps.push(step("proxy", format!("servers are asked by HTTP and HTTPS through {shown}{but}")));
    }
    let servers = time::named(instructions);
    if !servers.is_empty() {
        let servers = servers.join(", ");
        steps.push(step("clock", format!("set by {servers}, when it cannot be right or TLS needs it")));
    }
    steps
}

fn kexec(request: &Request) -> Vec<Step> {
    let file = |name: &'static str, remote: &Remote| {
        let checked = match remote.digest {
            Some(digest) => format!("which must be sha256:{}", digest.hex()),
            None => "which nobody verifies: no digest is given".to_owned(),
        };
        step(name, format!("{} is fetched, {checked}", remote.url))
    };
    let mut steps: Vec<Step> = request.files.iter().map(|remote| file("file", remote)).collect();
    steps.extend(request.kernel.iter().map(|remote| file("kernel", remote)));
    steps.extend(request.initrd.iter().map(|remote| file("initrd", remote)));
    steps.extend(request.options.refused.iter().map(|text| step("options", text.clone())));
    if request.kernel.is_some() {
        let line = request.next_kernel_params.as_deref().unwrap_or("that of the UKI, or console=ttyS0");
        steps.push(step("kexec", format!("the kernel is started with the command line: {line}")));
    }
    steps
}

fn image(instructions: &Instructions, boot: &Boot<'_>) -> Vec<Step> {
    let pin = instructions.pin.as_ref();
    let firmware = URL_VARIABLES.join(", ");
    let mut steps = match boot {
        Boot::Embedded(_) => vec![step("image", "the root is in the initrd")],
        Boot::Medium(_) => {
            vec![step("image", "a disk, stick or CD of this machine that has the pinned image")]
        }
        Boot::RemoteMedium(remote, _) => {
            vec![step("image", format!("the pinned image, which has to be on {}", remote.describe()))]
        }
        Boot::Remote(remote) => {
            let text = format!("{}, which nobody verifies: bootwright.verify=off", remote.describe());
            return vec![step("root", text)];
        }
        Boot::Server(address) => vec![step("image", format!("{} (from {})", address.url, address.origin))],
        Boot::Nearest(_) => vec![step(
            "image",
            format!(
                "where the firmware loaded the UKI from ({firmware}); else a disk, stick or CD with the pinned image, \
                 or the bootwright server that answers by DHCP, whichever is there first"
            ),
        )],
        Boot::Discover => vec![step(
            "image",
            format!(
                "where the firmware loaded the UKI from ({firmware}), else what a bootwright server answers by DHCP"
            ),
        )],
    };
    if let Boot::Server(address) = boot
        && address.is_uki()
    {
        steps.push(uki(instructions, address));
        return steps;
    }
    if let Boot::Server(address) = boot {
        match ForeignRoot::at(instructions, address) {
            Ok(Some(root)) => {
                steps.extend(foreign(instructions, &root));
                return steps;
            }
            Ok(None) => {}
            Err(refusal) => {
                steps.push(refused("digest", refusal.to_string()));
                return steps;
            }
        }
    }
    let Some(trusted) = boot::trusted(pin, instructions.options.digest) else {
        let why = "this initrd pins no image and bootwright.digest= is not given: nothing boots";
        steps.push(refused("digest", why));
        return steps;
    };
    let of = if trusted_is_of_manifest(instructions, boot) { "root.json" } else { "the file" };
    steps.push(step("digest", format!("{of} must be sha256:{}", trusted.digest.hex())));
    steps.push(root(instructions));
    if instructions.mode() == Mode::Disk && !matches!(boot, Boot::Medium(_)) {
        let terms = Terms::of(instructions);
        steps.push(step("cache", terms.describe_cache()));
        steps.push(step("offline", terms.describe_offline()));
        steps.push(step("fallback", terms.describe_fallback()));
    }
    // Only what a server's manifest describes is shared: a medium's root and a single file are not.
    if trusted_is_of_manifest(instructions, boot)
        && !matches!(boot, Boot::Embedded(_) | Boot::Medium(_) | Boot::RemoteMedium(..))
    {
        steps.push(step("peers", sharing(&instructions.options)));
    }
    steps
}

/// Offline, an image that lies beside the UKI is at a place that stands for it.
fn beside_the_uki(instructions: &Instructions, variable: &str) -> Option<String> {
    let asked = pull::root(&instructions.line).is_some_and(|(pull, _)| pull.boot_origin);
    (asked && variable == pull::ORIGIN).then(|| "http://where-the-uki-came-from/uki.efi".to_owned())
}

fn foreign(instructions: &Instructions, root: &ForeignRoot) -> Vec<Step> {
    let check = match root.check {
        Check::Digest(digest) => format!("the file must be sha256:{}", digest.hex()),
        Check::RootHash(hash) => {
            format!("the kernel refuses what is not under the root hash {}", hash.hex())
        }
        Check::Signed => {
            "the kernel verifies each block by the root hash in the image that is signed by whom the initrd trusts".to_owned()
        }
        Check::Sums => "the file must be what URL.sha256 or SHA256SUMS beside it says".to_owned(),
        Check::Nothing => "nobody verifies it, as the line says".to_owned(),
    };
    let form = match root.form {
        Some(Form::Tar) => "a tree of files, unpacked into memory while it arrives".to_owned(),
        form => {
            let what = if form.is_some() { "a disk image or file system" } else { "whatever it is" };
            format!("{what}, unpacked into memory while it arrives; the root is {}", root.part)
        }
    };
    let mut steps = vec![step("digest", check), step("file", form)];
    match root.on_success {
        Some(FailureAction::Poweroff) => steps.push(step("then", "the machine switches itself off")),
        Some(_) => steps.push(step("then", "the machine reboots")),
        None => steps.push(self::root(instructions)),
    }
    steps
}

fn sharing(options: &BootOptions) -> String {
    let upload = options.upload.map_or("without limit".to_owned(), |rate| format!("at most {rate}"));
    match (options.peers_off, options.seed) {
        (true, _) => "nothing is taken from other machines or given to them".to_owned(),
        (false, Seed::Off) => {
            format!("taken from other machines too and given to them, {upload}, until the root is entered")
        }
        (false, Seed::For(time)) => format!(
            "taken from other machines too and given to them, {upload}, for {} min after the boot",
            time.as_secs().div_ceil(60)
        ),
    }
}

fn trusted_is_of_manifest(instructions: &Instructions, boot: &Boot<'_>) -> bool {
    match boot {
        Boot::Server(address) => instructions.pin.is_some() || address.is_manifest(),
        _ => true,
    }
}

fn uki(instructions: &Instructions, address: &ImageAddress) -> Step {
    match instructions.options.digest {
        Some(digest) => {
            step("kexec", format!("the UKI must be sha256:{}, and is started by kexec", digest.hex()))
        }
        None => {
            refused("kexec", format!("the UKI {} is refused: bootwright.digest= is not given", address.url))
        }
    }
}

fn root(instructions: &Instructions) -> Step {
    let overlay = instructions.options.overlay.as_deref().unwrap_or("half of the memory");
    let init = instructions.line.get("init").unwrap_or("/sbin/init");
    let place = match instructions.mode() {
        Mode::Embed => "mounted from the initrd",
        Mode::Stream => "mounted at once, each block fetched and verified when it is read, the rest after it",
        Mode::Disk => "kept on a disk of this machine, what changed of it fetched, and mounted from there",
        Mode::Ram | Mode::File => "verified in memory and mounted from there",
    };
    step("root", format!("{place}, read-only, with a writable layer of at most {overlay}; {init} takes over"))
}

fn reports(instructions: &Instructions, request: &Option<Request>, boot: Option<&Boot<'_>>) -> Step {
    let fetched = request.iter().flat_map(|request| request.kernel.iter().chain(&request.files)).next();
    let image = match boot {
        Some(Boot::Server(address)) => Some(&address.url),
        _ => None,
    };
    let image = fetched.map(|remote| &remote.url).or(image);
    match (instructions.options.report.as_deref(), image) {
        (Some(text), _) if Url::parse(text).is_err() => {
            step("report", format!("to nobody: bootwright.report={text} is no URL"))
        }
        (given, image) => match boot::report(given, image) {
            Some(url) => step("report", format!("to {url}")),
            None => step("report", "to the server that has the image, once it is known"),
        },
    }
}

fn failure(on_failure: OnFailure) -> Step {
    let wait = match on_failure.wait {
        Some(wait) => format!("after {} s", wait.as_secs()),
        None if on_failure.action == FailureAction::Reboot => {
            "after 10 s, then twice as long each time, up to 10 minutes".to_owned()
        }
        None => "at once".to_owned(),
    };
    step(
        "failure",
        match on_failure.action {
            FailureAction::Reboot => format!("the machine reboots {wait}"),
            FailureAction::Poweroff => format!("the machine switches itself off {wait}"),
            FailureAction::Shell => {
                "a shell on the console, when the initrd has one; else a reboot".to_owned()
            }
        },
    )
}
