//! Interfaces that are made out of others: `vlan=` and `bond=`, as dracut.cmdline(7) has them.
//!
//! ```text
//! vlan=NAME:PARENT                                 the id stands at the end of NAME: vlan5, vlan0005, eth0.5
//! bond[=NAME[:MEMBER,MEMBER…[:OPTION=VALUE,…[:MTU]]]]   options as the kernel's bonding.rst names them
//! ```

use super::fields;

/// The highest id of a VLAN (IEEE 802.1Q, 9.6: 4095 is reserved).
const MAX_ID: u16 = 4094;
/// Members of one bond: no switch takes more into a link aggregation group, and few take so many.
const MAX_MEMBERS: usize = 32;
/// What `bond` says alone.
const USUAL_BOND: &str = "bond0:eth0,eth1:mode=balance-rr";
/// How often the members' signals are looked at when the line says nothing, in ms: the kernel's own 0 is never.
const MIIMON: (&str, &str) = ("miimon", "100");

/// An interface that sends and receives tagged frames of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlan {
    /// Its name.
    pub name: String,
    /// The interface below it, which may be a bond.
    pub parent: String,
    /// 1 to 4094.
    pub id: u16,
}

/// An interface of several others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bond {
    /// Its name.
    pub name: String,
    /// The interfaces below it.
    pub members: Vec<String>,
    /// The kernel's options with their values, in the order in which they have to be set.
    pub options: Vec<(String, String)>,
    /// Its MTU, when fixed: bytes.
    pub mtu: Option<u32>,
}

impl Vlan {
    /// A sentence on it, for the operator.
    pub fn describe(&self) -> String {
        format!("{} is made of the frames of {} with tag {}", self.name, self.parent, self.id)
    }

    /// Reads the value of `vlan=`.
    pub fn parse(value: &str) -> Result<Self, String> {
        let (name, parent) = value.split_once(':').ok_or("write vlan=NAME:INTERFACE")?;
        let (name, parent) = (fields::interface(name)?, fields::interface(parent)?);
        let number = match name.rsplit_once('.') {
            Some((_, number)) => number,
            None => name.strip_prefix("vlan").unwrap_or_default(),
        };
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse() {
            Ok(id @ 1..=MAX_ID) if digits => Ok(Self { name, parent, id }),
            _ => Err(format!("{name:?} ends in no id from 1 to {MAX_ID}: call it vlan5 or eth0.5")),
        }
    }
}

impl Bond {
    /// A sentence on it, for the operator.
    pub fn describe(&self) -> String {
        let options: Vec<_> = self.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{} is made of {} ({})", self.name, self.members.join(" and "), options.join(", "))
    }

    /// Reads the value of `bond=`.
    pub fn parse(value: &str) -> Result<Self, String> {
        let value = if value.is_empty() { USUAL_BOND } else { value };
        let mut parts = value.splitn(4, ':');
        let mut part = || parts.next().unwrap_or_default();
        let name = fields::interface(part())?;
        let members = match part() {
            "" => ["eth0", "eth1"].map(str::to_owned).to_vec(),
            list => list.split(',').map(fields::interface).collect::<Result<_, _>>()?,
        };
        if members.len() > MAX_MEMBERS {
            return Err(format!("{} members are too many", members.len()));
        }
        let options = options(part())?;
        Ok(Self { name, members, options, mtu: fields::mtu(part())? })
    }
}

/// `mode` first: which others may be set depends on it.
fn options(list: &str) -> Result<Vec<(String, String)>, String> {
    let mut options = Vec::new();
    for option in list.split(',').filter(|option| !option.is_empty()) {
        let (key, value) =
            option.split_once('=').ok_or_else(|| format!("the option {option:?} has no value"))?;
        let letters = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if !letters || value.is_empty() {
            return Err(format!("{option:?} is no option of a bond"));
        }
        // In a list of options between commas, arp_ip_target has its addresses between semicolons.
        options.push((key.to_owned(), value.replace(';', ",")));
    }
    options.sort_by_key(|(key, _)| key != "mode");
    if !options.iter().any(|(key, _)| matches!(key.as_str(), "miimon" | "arp_interval")) {
        options.push((MIIMON.0.to_owned(), MIIMON.1.to_owned()));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_four_styles_of_vlan_names_are_read() {
        for (value, name, id) in [
            ("vlan0005:eth0", "vlan0005", 5),
            ("vlan5:eth0", "vlan5", 5),
            ("eth0.0005:eth0", "eth0.0005", 5),
            ("eth0.4094:eth0", "eth0.4094", 4094),
        ] {
            let vlan = Vlan { name: name.to_owned(), parent: "eth0".to_owned(), id };
            assert_eq!(Vlan::parse(value), Ok(vlan));
        }
        for value in
            ["vlan0:eth0", "vlan4095:eth0", "vlan+5:eth0", "blue:eth0", "vlan5", "vlan5:", "vlan5:a/b"]
        {
            assert!(Vlan::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_bond_has_its_mode_first_and_looks_at_its_members() {
        let bond = Bond::parse("team0:eno1,eno2:miimon=50,mode=802.3ad,arp_ip_target=10.0.0.1;10.0.0.2:9000")
            .unwrap();
        assert_eq!((bond.name.as_str(), bond.mtu), ("team0", Some(9000)));
        assert_eq!(bond.members, ["eno1", "eno2"]);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let wanted =
            [pair("mode", "802.3ad"), pair("miimon", "50"), pair("arp_ip_target", "10.0.0.1,10.0.0.2")];
        assert_eq!(bond.options, wanted);
    }

    #[test]
    fn a_bare_bond_is_dracuts_usual_one() {
        let bond = Bond::parse("").unwrap();
        assert_eq!((bond.name.as_str(), bond.members.len()), ("bond0", 2));
        assert_eq!(bond.options[0].1, "balance-rr");
        assert_eq!(bond.options[1].0, "miimon");
        assert_eq!(Bond::parse("bond1").unwrap().members, ["eth0", "eth1"]);
    }

    #[test]
    fn what_no_kernel_takes_is_refused() {
        for value in
            ["a/b:eth0", "bond0:eth0,..", "bond0:eth0:mode", "bond0:eth0:../x=1", "bond0:eth0:mode=1:12"]
        {
            assert!(Bond::parse(value).is_err(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(value in "[a-z0-9:,=./;]{0,60}") {
            let _ = (Vlan::parse(&value), Bond::parse(&value));
        }
    }
}
