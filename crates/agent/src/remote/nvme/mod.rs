//! NVMe over TCP, through /dev/nvme-fabrics: the [discovery] controller names the subsystems, the kernel connects to
//! each, and finds their namespaces as disks. A connection that breaks is made again, for as long as it takes.

mod discovery;

use std::fs::{OpenOptions, read_dir, write};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use bootwright_netboot::Uuid;
use bootwright_plan::remote::{Device, Discovery, Nvme};
use tracing::{info, warn};

use self::discovery::Entry;
use super::{Connector, RemoteError, appears, has_size, superblock};

const FABRICS: &str = "/dev/nvme-fabrics";

/// The subsystem of every discovery controller (NVMe base specification, 4.5).
const DISCOVERY_NQN: &str = "nqn.2014-08.org.nvmexpress.discovery";

/// Names of hosts that follow from a UUID begin so.
const UUID_NQN: &str = "nqn.2014-08.org.nvmexpress:uuid:";

/// Bytes of what the kernel answers: `instance=0,cntlid=1`.
const MAX_ANSWER: u64 = 256;

/// How the machine introduces itself.
struct Host {
    nqn: String,
    id: String,
}

impl Connector<'_> {
    pub(super) async fn nvme(&self, nvme: &Nvme) -> Result<String, RemoteError> {
        self.devices.require("nvme_tcp")?;
        let host = host(nvme, self.uuid);
        for one in &nvme.discovery {
            let mut problem = None;
            for address in self.resolve(&one.host, one.port).await? {
                let (one, host) = (one.clone(), Host { nqn: host.nqn.clone(), id: host.id.clone() });
                let joined =
                    tokio::task::spawn_blocking(move || connect_all(&one, address.ip().to_string(), &host));
                let joined =
                    joined.await.map_err(|error| failed(&address.to_string(), "connecting")(error.into()));
                match joined.and_then(|done| done) {
                    Ok(()) => {
                        problem = None;
                        break;
                    }
                    Err(error) => problem = Some(error),
                }
            }
            if let Some(problem) = problem {
                return Err(problem);
            }
        }
        let wanted = nvme.device.clone();
        appears(&nvme_device(&nvme.device), move || find(&wanted), || disks().join(", ")).await
    }
}

/// Asks a discovery controller and connects to whatever it names. Blocks.
fn connect_all(one: &Discovery, address: String, host: &Host) -> Result<(), RemoteError> {
    let server = format!("{address} port {}", one.port);
    let from = one.from.as_ref().map(|from| format!(",host_traddr={from}")).unwrap_or_default();
    let port = one.port.to_string();
    let entry = Entry { nqn: DISCOVERY_NQN.to_owned(), address, port };
    let number =
        connect(&entry, &from, host).map_err(failed(&server, "connecting to the discovery controller"))?;
    let entries = discovery::entries(Path::new(&format!("/dev/nvme{number}")));
    // Kept, it would ask for a keep-alive for ever.
    if let Err(error) = write(format!("/sys/class/nvme/nvme{number}/delete_controller"), "1") {
        warn!("nvme{number}: {error}");
    }
    let entries = entries.map_err(failed(&server, "reading what the discovery controller knows"))?;
    if entries.is_empty() {
        let problem = format!("its discovery controller names no subsystem by TCP for {}", host.nqn);
        return Err(RemoteError::Server { server, problem });
    }
    for entry in entries {
        let Entry { nqn, address, port } = &entry;
        // It waits for a server that is gone, rather than to fail reads of the root.
        connect(&entry, &format!("{from},ctrl_loss_tmo=-1"), host)
            .map_err(failed(&format!("{nqn} at {address} port {port}"), "connecting"))?;
        info!("connected to {nqn} at {address} port {port}");
    }
    Ok(())
}

/// Gives the number of the controller.
fn connect(entry: &Entry, more: &str, host: &Host) -> io::Result<u32> {
    let Entry { nqn, address, port } = entry;
    let Host { nqn: host_nqn, id } = host;
    let options = format!(
        "transport=tcp,traddr={address},trsvcid={port},nqn={nqn},hostnqn={host_nqn},hostid={id}{more}"
    );
    let mut fabrics = OpenOptions::new().read(true).write(true).open(FABRICS)?;
    fabrics.write_all(options.as_bytes())?;
    let mut answer = String::new();
    fabrics.take(MAX_ANSWER).read_to_string(&mut answer)?;
    instance(&answer).ok_or_else(|| io::Error::other(format!("the kernel answers {answer:?}")))
}

fn instance(answer: &str) -> Option<u32> {
    answer.trim().split(',').find_map(|field| field.strip_prefix("instance="))?.parse().ok()
}

fn host(nvme: &Nvme, uuid: Option<Uuid>) -> Host {
    let uuid = uuid.map_or_else(random_uuid, |uuid| uuid.to_string());
    Host {
        nqn: nvme.host_nqn.clone().unwrap_or_else(|| format!("{UUID_NQN}{uuid}")),
        id: nvme.host_id.clone().unwrap_or(uuid),
    }
}

/// For a machine without one: version 4 of RFC 9562.
fn random_uuid() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The disk that has the root.
fn find(wanted: &Device) -> Option<String> {
    let disks = disks();
    let superblock = |name: &String| superblock::read(&Path::new("/dev").join(name));
    let mut with_size = disks.into_iter().filter(|name| has_size(name));
    match wanted {
        Device::Path(path) => {
            let name = path.strip_prefix("/dev/")?.to_owned();
            has_size(&name).then_some(name)
        }
        Device::Any => with_size.next(),
        Device::Uuid(uuid) => {
            with_size.find(|name| superblock(name).is_some_and(|found| found.uuid.as_ref() == Some(uuid)))
        }
        Device::Label(label) => {
            with_size.find(|name| superblock(name).is_some_and(|found| found.label.as_ref() == Some(label)))
        }
    }
}

/// NVMe disks and their partitions.
fn disks() -> Vec<String> {
    let entries = read_dir("/sys/class/block").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("nvme")).collect();
    names.sort();
    names
}

fn nvme_device(device: &Device) -> String {
    match device {
        Device::Path(path) => path.clone(),
        Device::Uuid(uuid) => format!("an NVMe disk with UUID {uuid}"),
        Device::Label(label) => format!("an NVMe disk with label {label}"),
        Device::Any => "an NVMe disk".to_owned(),
    }
}

fn failed(server: &str, step: &'static str) -> impl FnOnce(io::Error) -> RemoteError {
    let server = server.to_owned();
    move |source| RemoteError::Io { server, step, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_answer_names_the_controller() {
        assert_eq!(instance("instance=3,cntlid=1\n"), Some(3));
        assert_eq!(instance("cntlid=1"), None);
    }

    #[test]
    fn a_machine_without_a_uuid_gets_a_random_one() {
        let uuid = random_uuid();
        assert_eq!((uuid.len(), uuid.as_bytes()[14]), (36, b'4'));
        assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        assert!(uuid.parse::<Uuid>().is_ok());
    }
}
