//! Through whom servers are asked: `bootwright.proxy=`, and dracut's `proxy=`.

use std::fmt;
use std::str::FromStr;

/// The longest that is read: a name has 253 letters, and nobody's password is longer than that.
const LONGEST: usize = 600;

/// `proxy=off|http://[USER:PASSWORD@]HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// Servers are asked directly, whatever was built in.
    Off,
    /// This one, for HTTP by its whole URL and for HTTPS as a tunnel.
    By(String),
}

impl FromStr for Proxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let wrong = |why: &str| Err(format!("{text:?} {why}: write http://HOST:PORT, or off"));
        let Some(rest) = text.strip_prefix("http://") else {
            return wrong("is no proxy that is spoken to by plain HTTP");
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
        let odd = |byte: u8| !byte.is_ascii_graphic() || b"/?#\\".contains(&byte);
        if name.is_empty() || text.len() > LONGEST || authority.bytes().any(odd) {
            return wrong("names no host");
        }
        match port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
            true => Ok(Self::By(format!("http://{authority}"))),
            false => wrong("has no port from 1 to 65535"),
        }
    }
}

impl fmt::Display for Proxy {
    /// Without its password: consoles and reports are read by many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::By(text) => match text.rsplit_once('@') {
                Some((_, host)) => write!(f, "http://{host}"),
                None => f.write_str(text),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_host_and_is_told_without_its_password() {
        let read = |text: &str| text.parse::<Proxy>();
        assert_eq!(read("off"), Ok(Proxy::Off));
        assert_eq!(read("http://10.0.0.9:3128/"), Ok(Proxy::By("http://10.0.0.9:3128".into())));
        assert_eq!(read("http://[fd00::9]:3128").unwrap().to_string(), "http://[fd00::9]:3128");
        assert_eq!(read("http://[fd00::9]").unwrap().to_string(), "http://[fd00::9]");
        assert_eq!(read("http://me:secret@proxy.lab:80").unwrap().to_string(), "http://proxy.lab:80");
        for text in [
            "",
            "https://p:1",
            "10.0.0.9:3128",
            "http://",
            "http://:80",
            "http://p:0",
            "http://p:x",
            "http://p/x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
