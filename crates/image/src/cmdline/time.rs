//! Who is asked for the time: `bootwright.ntp=`.

use std::str::FromStr;

/// More are a mistake: the first one that answers is enough.
const MOST: usize = 8;

/// `ntp=off|SERVER,…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TimeServers {
    /// Whom DHCP names, where the clock cannot be right.
    #[default]
    Told,
    /// Nobody.
    Off,
    /// These, by name or address, before those.
    Named(Vec<String>),
}

impl FromStr for TimeServers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let servers: Vec<String> =
            text.split(',').map(|name| name.trim_matches(['[', ']']).to_owned()).collect();
        let odd = |name: &String| {
            let fits = |letter: u8| letter.is_ascii_alphanumeric() || b".-:%_".contains(&letter);
            name.is_empty() || !name.bytes().all(fits)
        };
        match servers.iter().find(|name| odd(name)) {
            Some(name) => Err(format!("{name:?} is no name or address of a time server")),
            None if servers.len() > MOST => Err(format!("more than {MOST} time servers")),
            None => Ok(Self::Named(servers)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_or_switched_off() {
        let named = |names: &[&str]| Ok(TimeServers::Named(names.iter().map(ToString::to_string).collect()));
        assert_eq!("off".parse(), Ok(TimeServers::Off));
        assert_eq!("10.0.0.1,time.lab,[fd00::1]".parse(), named(&["10.0.0.1", "time.lab", "fd00::1"]));
        assert!("a,,b".parse::<TimeServers>().is_err());
        assert!("http://x/".parse::<TimeServers>().is_err());
    }
}
