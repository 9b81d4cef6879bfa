//! The network and what follows from it: the client that fetches, the image's address, the reports.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bootwright_fetch::{Cause, Client, Error, Retries, RetryPolicy, Trust, get_small};
use bootwright_image::MAX_MANIFEST;
use bootwright_image::timeline::{Stage, Step, Tried};
use bootwright_netboot::Mac;
use bootwright_netboot::dhcp::client::Want;
use bootwright_plan::address::{self, ImageAddress, Origin};
use bootwright_plan::network::Plan;
use bootwright_plan::{Instructions, aria2, boot, proxy, remote, time};
use tracing::{info, warn};
use url::Url;

use super::Work;
use crate::clock::ntp;
use crate::failure::{Failure, interface};
use crate::firmware_variables;
use crate::network::{self, Configured, Network, Way, Wish, ibft, patiently};
use crate::report::{self, send};

/// A network that works, and a client on it.
pub struct Online {
    /// The network.
    pub network: Configured,
    /// How servers are reached on it.
    pub way: Way,
    /// Fetches and reports.
    pub client: Arc<Client>,
}

impl Online {
    /// Why the server at `url` cannot be reached.
    async fn cannot_reach(&self, url: &Url) -> Option<String> {
        let retry = RetryPolicy { retries: Retries::Finite(2), ..RetryPolicy::default() };
        match get_small(&self.client, url, MAX_MANIFEST, retry, &mut |_| {}).await {
            Err(Error::Transfer { failure, .. }) if is_silence(&failure.cause) => Some(failure.explain()),
            // Whatever it says, it has answered.
            _ => None,
        }
    }

    /// The image's address, the one that DHCP told last of all.
    pub fn image_address(&self, instructions: &Instructions) -> Result<ImageAddress, Failure> {
        let known = known(instructions)?;
        let told = || self.network.image.as_ref().map(|text| ImageAddress::parse(text, Origin::Dhcp));
        match known.map(Ok).or_else(told).transpose() {
            Ok(Some(address)) => Ok(address),
            Ok(None) => Err(Failure::new(
                "nobody says which image to boot: no bootwright.image= on the command line, none in the initrd or \
                 from the firmware, and no bootwright server answered by DHCP",
            )
            .at(Step::Address)
            .with(self.evidence())),
            Err(error) => Err(Failure::of("the image's address", &error).at(Step::Address)),
        }
    }

    /// The network as it is now, for the operator.
    pub fn evidence(&self) -> Vec<Tried> {
        let Network { link, configuration, summary, .. } = &*self.network;
        let sys = Path::new("/sys/class/net").join(&link.name);
        let attribute = |name: &str| fs::read_to_string(sys.join(name)).unwrap_or_default().trim().to_owned();
        let signal = match attribute("carrier").as_str() {
            "1" => "signal is there",
            _ => "signal is gone",
        };
        let list = |addresses: &mut dyn Iterator<Item = String>| match addresses.collect::<Vec<_>>() {
            none if none.is_empty() => "none".to_owned(),
            some => some.join(", "),
        };
        let gateways =
            list(&mut configuration.routes.iter().filter_map(|route| route.gateway).map(|ip| ip.to_string()));
        let servers = list(&mut configuration.dns.iter().map(ToString::to_string));
        let errors = attribute("statistics/rx_errors");
        vec![interface(format!(
            "{summary} ({}); {signal}, {errors} receive errors; gateways {gateways}; name servers {servers}",
            link.mac
        ))]
    }
}

impl Work {
    /// Brings up a network from which the image's server answers. Where several interfaces have a network, the
    /// first may lead elsewhere: each is tried for a short while, then the first one in earnest.
    pub async fn go_online_to_image(&self) -> Result<(Online, ImageAddress), Failure> {
        let mut passed_over = Vec::new();
        loop {
            let online = match self.go_online(&passed_over).await {
                Err(failure) if !passed_over.is_empty() => {
                    warn!("{}: back to the first interface", failure.cause);
                    break;
                }
                online => online?,
            };
            let address = online.image_address(&self.instructions)?;
            let others = online.network.others;
            if others == 0 && passed_over.is_empty() {
                return Ok((online, address));
            }
            let Some(failure) = online.cannot_reach(&address.url).await else { return Ok((online, address)) };
            let next = if others == 0 { "back to the first interface" } else { "trying another interface" };
            warn!("{}: {failure}: {next}", online.network.link.name);
            passed_over.push(online.network.link.mac);
            online.network.leave().await;
            if others == 0 {
                break;
            }
        }
        let online = self.go_online(&[]).await?;
        let address = online.image_address(&self.instructions)?;
        Ok((online, address))
    }

    /// Brings the network up, by an interface that is not `passed_over`, and makes a client for it.
    pub async fn go_online(&self, passed_over: &[Mac]) -> Result<Online, Failure> {
        let Instructions { pin, .. } = &self.instructions;
        let plan = self.plan()?;
        let wish = Wish {
            plan,
            image: pin.as_ref().map(|pin| pin.name.clone()),
            uuid: report::uuid(),
            want: if known(&self.instructions)?.is_some() || wants_no_image(&self.instructions) {
                Want::Address
            } else {
                Want::AddressAndImage
            },
            passed_over: passed_over.to_vec(),
        };
        let network = patiently("the network", network::bring_up(wish, &self.devices)).await?;
        info!("{}", network.summary);
        self.reporter.event(Stage::Devices, &format!("{} modules loaded", self.devices.count()));
        self.reporter.event(Stage::Network, &network.summary);
        write_resolv_conf(&network);
        let way = self.way(&network);
        let client = way.client(&trust());
        let client = client.map_err(|error| Failure::of("setting TLS up", &error).at(Step::Tls))?;
        self.set_clock(&client, &network).await?;
        Ok(Online { network, way, client: Arc::new(client) })
    }

    /// What the line says of the network, and with `ip=ibft` the firmware.
    fn plan(&self) -> Result<Plan, Failure> {
        let mut plan = Plan::read(&self.instructions.line);
        if !plan.wants_ibft {
            return Ok(plan);
        }
        let loaded = self.devices.require(ibft::MODULE);
        let table = ibft::read(Path::new(ibft::TREE));
        table.problems.iter().for_each(|problem| warn!("the firmware's table of iSCSI: {problem}"));
        table.targets.iter().for_each(|target| info!("the firmware's disk {target} is left to the system"));
        if table.cards.is_empty() && plan.arguments().is_empty() {
            let cause = "ip=ibft: the firmware has left no table of iSCSI with a card that it booted by";
            let seen = loaded.err().map(|error| error.to_string());
            return Err(Failure::new(cause).at(Step::Network).with(seen).with(table.problems));
        }
        plan.take_ibft(&table);
        Ok(plan)
    }

    fn way(&self, network: &Network) -> Way {
        let proxy = proxy::read(&self.instructions).unwrap_or_else(|problem| {
            warn!("{problem}: servers are asked directly");
            None
        });
        let Network { configuration, .. } = network;
        Way { servers: configuration.dns.clone(), search: configuration.search.clone(), proxy }
    }

    /// By a time server, where it is needed and there is one.
    async fn set_clock(&self, client: &Client, network: &Network) -> Result<(), Failure> {
        let instructions = &self.instructions;
        let address = known(instructions)?;
        let image = address.as_ref().map(|address| address.url.as_str()).or(network.image.as_deref());
        let tls = [image, instructions.options.report.as_deref()].into_iter().flatten();
        let tls = tls.into_iter().any(|url| url.starts_with("https:"));
        let servers = time::servers(instructions, &network.configuration.ntp, self.clock_is_implausible, tls);
        if !servers.is_empty() {
            ntp::set(client, &servers, time::lower_bound(instructions)).await;
        }
        Ok(())
    }

    /// Reports go out from now on, to the server that has `image` unless the line names another.
    pub fn reports_by(&self, online: &Online, image: Option<&Url>) {
        let Some(url) = boot::report(self.instructions.options.report.as_deref(), image) else {
            return;
        };
        self.reporter.go_through(online.way.proxy.clone());
        self.reporter.send_to(url, Arc::clone(&online.client), online.network.link.mac.to_string());
        // A worker that dies from here on is reported by another process, which needs to know where to.
        if let Err(error) = self.reporter.spool().save() {
            warn!("keeping the reports' address for later: {error}");
        }
    }
}

/// Whether nobody answered at all.
fn is_silence(cause: &Cause) -> bool {
    matches!(cause, Cause::Dns(_) | Cause::Connect(_) | Cause::Stalled(_))
}

/// In a boot that starts another kernel by aria2-initrd's names, or of a root on another machine, no image needs to
/// be found.
fn wants_no_image(instructions: &Instructions) -> bool {
    if instructions.options.image.is_none() && matches!(remote::read(&instructions.line), Ok(Some(_))) {
        return true;
    }
    matches!(aria2::Request::of(instructions), Ok(Some(request)) if request.kernel.is_some())
}

fn known(instructions: &Instructions) -> Result<Option<ImageAddress>, Failure> {
    address::known(instructions, firmware_variables::read)
        .map_err(|error| Failure::new(error.to_string()).at(Step::Address))
}

/// The machine's own authorities, and a copy of them for reports after the switch.
fn trust() -> Trust {
    let extra_pem = fs::read(send::CA).ok();
    if let Some(pem) = &extra_pem
        && let Err(error) =
            fs::create_dir_all("/run/bootwright").and_then(|()| fs::write(send::CA_IN_SYSTEM, pem))
    {
        warn!("{}: {error}", send::CA_IN_SYSTEM);
    }
    Trust { extra_pem }
}

/// For a shell on failure and whatever else runs in the initrd.
fn write_resolv_conf(network: &Network) {
    let Some(text) = network.configuration.resolv_conf() else { return };
    if let Err(error) = fs::create_dir_all("/etc").and_then(|()| fs::write("/etc/resolv.conf", text)) {
        warn!("/etc/resolv.conf: {error}");
    }
}
