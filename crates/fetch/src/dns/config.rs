//! The files in which a system says how names are found.

use std::net::IpAddr;

/// Names with fixed addresses, as in hosts(5).
#[derive(Debug, Clone, Default)]
pub struct Hosts(Vec<(String, IpAddr)>);

impl Hosts {
    /// Reads hosts(5); lines that are not understood are passed over, as everybody does.
    pub fn parse(text: &str) -> Self {
        let mut entries = Vec::new();
        for line in lines(text) {
            let mut words = line.split_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse) else { continue };
            entries.extend(words.map(|name| (name.to_owned(), address)));
        }
        Self(entries)
    }

    /// The addresses of `name`, none when it is not there.
    pub fn get(&self, name: &str) -> Vec<IpAddr> {
        let same = self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        same.map(|(_, address)| *address).collect()
    }
}

/// Servers and search domains of resolv.conf(5).
pub(super) fn resolv_conf(text: &str) -> (Vec<IpAddr>, Vec<String>) {
    let mut servers = Vec::new();
    let mut search = Vec::new();
    for line in lines(text) {
        let mut words = line.split_whitespace();
        match words.next() {
            // A zone index (`fe80::1%eth0`) needs the interface's number: such a server is left out.
            Some("nameserver") => servers.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok())),
            // The last of them counts.
            Some("search" | "domain") => search = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    (servers, search)
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_resolv_conf() {
        let text = "# made by hand\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver ::1\n\
                    domain a.example\nsearch b.example c.example ; last wins\noptions ndots:2\n";
        let (servers, search) = resolv_conf(text);
        assert_eq!(servers, ["10.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(search, ["b.example", "c.example"]);
    }

    #[test]
    fn reads_hosts_without_regard_to_case() {
        let hosts = Hosts::parse("10.0.0.7 mirror Mirror.example # the fast one\nnonsense\n::7 mirror\n");
        let both: Vec<IpAddr> = vec!["10.0.0.7".parse().unwrap(), "::7".parse().unwrap()];
        assert_eq!(hosts.get("MIRROR"), both);
        assert!(hosts.get("other").is_empty());
    }
}
