//! `nbd:SERVER:PORT-OR-EXPORT[:FSTYPE[:ROOTFLAGS[:NBDOPTS]]]`.

use super::{Mounting, endpoint, host, kind};
use crate::network::fields;

/// Where servers listen that have exports with names (IANA).
const PORT: u16 = 10809;

/// The longest name of an export that every server takes (doc/proto.md of the nbd project: 256 bytes are recommended).
const MAX_EXPORT: usize = 256;

/// A network block device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nbd {
    /// Name or address of the server.
    pub host: String,
    /// TCP.
    pub port: u16,
    /// The export; empty: the server's default one.
    pub export: String,
    /// The file system on it.
    pub mounting: Mounting,
}

impl Nbd {
    /// Reads what stands behind `nbd:`; `mounting` is what the rest of the line says of the file system.
    pub(super) fn parse(value: &str, mut mounting: Mounting) -> Result<Self, String> {
        let parts = fields::split(value);
        let field = |at: usize| parts.get(at).copied().unwrap_or_default();
        if field(1).is_empty() {
            return Err("write root=nbd:SERVER:EXPORT or root=nbd:SERVER:PORT".to_owned());
        }
        let (port, export) = match field(1).parse::<u16>() {
            Ok(0) => return Err("port 0".to_owned()),
            Ok(port) => (port, ""),
            Err(_) => (PORT, field(1)),
        };
        if export.len() > MAX_EXPORT || export.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(format!("{export:?} is no name of an export"));
        }
        mounting.kind = kind(field(2))?.or(mounting.kind);
        if !field(3).is_empty() {
            mounting.options = field(3).to_owned();
        }
        match field(4) {
            "" => Ok(Self { host: host(field(0))?, port, export: export.to_owned(), mounting }),
            options => Err(format!("options for nbd-client ({options}) are not understood: leave them out")),
        }
    }

    pub(super) fn describe(&self) -> String {
        let export = if self.export.is_empty() { "the default export" } else { &self.export };
        format!("{export} by NBD from {}", endpoint(&self.host, self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nbd(value: &str) -> Result<Nbd, String> {
        Nbd::parse(value, Mounting::default())
    }

    #[test]
    fn a_number_is_a_port_and_a_name_is_an_export() {
        let by_port = nbd("10.0.0.1:2000").unwrap();
        assert_eq!((by_port.port, by_port.export.as_str()), (2000, ""));
        let by_name = nbd("[fd00::1]:root:ext4:noatime").unwrap();
        assert_eq!(
            (by_name.host.as_str(), by_name.port, by_name.export.as_str()),
            ("fd00::1", 10809, "root")
        );
        assert_eq!(
            (by_name.mounting.kind.as_deref(), by_name.mounting.options.as_str()),
            (Some("ext4"), "noatime")
        );
        assert_eq!(by_name.describe(), "root by NBD from [fd00::1]:10809");
    }

    #[test]
    fn what_is_missing_or_odd_is_said() {
        for (value, word) in [
            ("", "SERVER"),
            ("s", "SERVER"),
            ("s:0", "port"),
            (":root", "server"),
            ("s:r:../x", "file system"),
            ("s:r:::bs=4096", "nbd-client"),
        ] {
            assert!(nbd(value).unwrap_err().contains(word), "{value}");
        }
    }
}
