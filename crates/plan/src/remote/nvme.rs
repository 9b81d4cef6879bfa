//! `rd.nvmf.discover=TRANSPORT,ADDRESS[,HOST-ADDRESS[,SERVICE]]`, as often as it is there; `rd.nvmf.hostnqn=`,
//! `rd.nvmf.hostid=`.

use bootwright_image::cmdline::CommandLine;

use super::{Device, Mounting, endpoint, host, mounting};

/// Where discovery controllers listen (IANA).
const PORT: u16 = 8009;

/// The longest qualified name (NVMe base specification, 4.7).
const MAX_NQN: usize = 223;

/// Discovery controllers that are asked; more are a mistake.
const MOST: usize = 16;

/// A discovery controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Its address or name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The address of our own that is used, when fixed.
    pub from: Option<String>,
}

/// A root in an NVMe namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvme {
    /// Who knows subsystems.
    pub discovery: Vec<Discovery>,
    /// How this machine is called; absent: by its SMBIOS UUID.
    pub host_nqn: Option<String>,
    /// Its identifier beside that.
    pub host_id: Option<String>,
    /// Which device has the root.
    pub device: Device,
    /// The file system on it.
    pub mounting: Mounting,
}

impl Nvme {
    /// What the line names; `None` without `rd.nvmf.discover=`.
    pub(super) fn read(line: &CommandLine) -> Result<Option<Self>, String> {
        let told = |key: &str| line.get(key).filter(|text| !text.is_empty()).map(str::to_owned);
        let discovery: Result<Vec<_>, String> =
            line.all("rd.nvmf.discover").take(MOST).map(discovery).collect();
        let discovery = discovery?;
        if discovery.is_empty() || told("rd.nonvmf").is_some_and(|value| value != "0") {
            return Ok(None);
        }
        let name = |key: &str| match told(key) {
            Some(name)
                if name.len() > MAX_NQN || name.contains(|c: char| c == ',' || !c.is_ascii_graphic()) =>
            {
                Err(format!("{key}={name} is no name of a host"))
            }
            name => Ok(name),
        };
        Ok(Some(Self {
            discovery,
            host_nqn: name("rd.nvmf.hostnqn")?,
            host_id: name("rd.nvmf.hostid")?,
            device: Device::parse(line.get("root").unwrap_or_default())?,
            mounting: mounting(line),
        }))
    }

    pub(super) fn describe(&self) -> String {
        let servers: Vec<_> = self.discovery.iter().map(|one| endpoint(&one.host, one.port)).collect();
        format!("{} by NVMe from {}", self.device.describe(), servers.join(" and "))
    }
}

fn discovery(value: &str) -> Result<Discovery, String> {
    let told = |problem: String| format!("rd.nvmf.discover={value}: {problem}");
    let parts: Vec<&str> = value.split(',').collect();
    let field = |at: usize| parts.get(at).copied().unwrap_or_default().trim_matches(['[', ']']);
    if field(0) != "tcp" {
        return Err(told(format!("the transport {:?} is not understood: tcp is", field(0))));
    }
    let port = match field(3) {
        "" => PORT,
        text => {
            text.parse().ok().filter(|port| *port > 0).ok_or_else(|| told(format!("{text:?} is no port")))?
        }
    };
    let from = match field(2) {
        "" | "none" => None,
        text => Some(host(text).map_err(told)?),
    };
    Ok(Discovery { host: host(field(1)).map_err(told)?, port, from })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nvme(line: &str) -> Result<Option<Nvme>, String> {
        Nvme::read(&CommandLine::parse(line))
    }

    #[test]
    fn a_discovery_controller_has_its_port_behind_two_commas() {
        let found =
            nvme("rd.nvmf.discover=tcp,10.0.0.1,,4420 rd.nvmf.discover=tcp,fd00::1 root=/dev/nvme0n1")
                .unwrap()
                .unwrap();
        assert_eq!(found.discovery.iter().map(|one| one.port).collect::<Vec<_>>(), [4420, 8009]);
        assert_eq!(found.device, Device::Path("/dev/nvme0n1".into()));
        assert_eq!(found.describe(), "/dev/nvme0n1 by NVMe from 10.0.0.1:4420 and [fd00::1]:8009");
    }

    #[test]
    fn other_transports_and_odd_words_are_said() {
        for (line, word) in [
            ("rd.nvmf.discover=rdma,10.0.0.1", "rdma"),
            ("rd.nvmf.discover=tcp", "server"),
            ("rd.nvmf.discover=tcp,a,,x", "no port"),
            ("rd.nvmf.discover=tcp,a root=PARTUUID=1", "UUID="),
            ("rd.nvmf.discover=tcp,a rd.nvmf.hostnqn=a,b", "hostnqn"),
        ] {
            assert!(nvme(line).unwrap_err().contains(word), "{line}");
        }
        assert_eq!(nvme("rd.nvmf.discover=tcp,a rd.nonvmf=1"), Ok(None));
        assert_eq!(nvme("root=/dev/nvme0n1"), Ok(None));
    }
}
