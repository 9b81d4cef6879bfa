//! `nfs:SERVER:PATH[:OPTIONS]` and `nfs4:`; options stand behind a colon, or a comma as in the kernel's nfsroot.rst.

use super::host;

/// The longest path that Linux takes (PATH_MAX), less what stands before it.
const MAX_PATH: usize = 4000;

/// A directory of an NFS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nfs {
    /// Name or address of the server.
    pub host: String,
    /// The directory there.
    pub path: String,
    /// `nfs4:`: version 4 and nothing older.
    pub is_version_4: bool,
    /// nfs(5)'s options.
    pub options: Vec<String>,
    /// `rw` on the line, or among the options.
    pub writable: bool,
}

impl Nfs {
    /// Reads the value of `root=`.
    pub(super) fn parse(value: &str, writable: bool) -> Result<Self, String> {
        let usage =
            || "write root=nfs:SERVER:/PATH[:OPTIONS]; a server from DHCP is not asked for".to_owned();
        let (scheme, rest) = value.split_once(':').ok_or_else(usage)?;
        let (server, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once("]:").ok_or_else(usage)?,
            None => rest.split_once(':').ok_or_else(usage)?,
        };
        let (path, options) = rest.split_once([':', ',']).unwrap_or((rest, ""));
        if !path.starts_with('/') || path.len() > MAX_PATH {
            return Err(usage());
        }
        let (mut options, mut writable): (Vec<String>, bool) =
            (options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect(), writable);
        // The two are flags of the mount, not options of the driver.
        options.retain(|option| match option.as_str() {
            "rw" => {
                writable = true;
                false
            }
            "ro" => {
                writable = false;
                false
            }
            _ => true,
        });
        let is_version_4 = scheme == "nfs4" || options.iter().any(|option| is_4(option));
        Ok(Self { host: host(server)?, path: path.to_owned(), is_version_4, options, writable })
    }

    pub(super) fn describe(&self) -> String {
        let version = if self.is_version_4 { "NFSv4" } else { "NFS" };
        format!("{} by {version} from {}", self.path, self.host)
    }
}

/// `vers=4`, `nfsvers=4.2`.
fn is_4(option: &str) -> bool {
    let version = option.strip_prefix("nfsvers=").or_else(|| option.strip_prefix("vers="));
    version.is_some_and(|version| version.starts_with('4'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_path_and_options_are_read_in_both_styles() {
        let nfs = Nfs::parse("nfs4:10.0.0.1:/srv/root:rsize=65536,ro", true).unwrap();
        assert_eq!((nfs.host.as_str(), nfs.path.as_str(), nfs.is_version_4), ("10.0.0.1", "/srv/root", true));
        assert_eq!((nfs.options.as_slice(), nfs.writable), (&["rsize=65536".to_owned()][..], false));
        let nfs = Nfs::parse("nfs:[fd00::1]:/srv,vers=4.2,rw", false).unwrap();
        assert_eq!((nfs.host.as_str(), nfs.is_version_4, nfs.writable), ("fd00::1", true, true));
        assert!(!Nfs::parse("nfs:s:/srv:nfsvers=3", false).unwrap().is_version_4);
        assert_eq!(nfs.describe(), "/srv by NFSv4 from fd00::1");
    }

    #[test]
    fn a_server_and_an_absolute_path_are_needed() {
        for value in ["nfs:", "nfs:/srv", "nfs:s:srv", "nfs::/srv", "nfs:[fd00::1:/srv", "nfs:a b:/srv"] {
            assert!(Nfs::parse(value, false).is_err(), "{value}");
        }
    }
}
