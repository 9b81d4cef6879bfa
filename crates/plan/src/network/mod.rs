//! What the command line says about the network: which interface, how, with which extras.
//!
//! `ip=` in the kernel's syntax (Documentation/admin-guide/nfs/nfsroot.rst) and dracut's
//! (dracut.cmdline(7)), see [`ip_argument`]; `vlan=` and `bond=`, see [`layers`]; `BOOTIF=` in pxelinux's form
//! (`01-52-54-…`) and as a plain address; dracut's `nameserver=`, `rd.route=`, `rd.peerdns=`, `bootdev=`,
//! `ifname=`, `rd.bootif=` and `rd.net.timeout.*`.

mod bootif;
mod configuration;
pub(crate) mod fields;
pub mod ibft;
mod ip_argument;
mod layers;
mod limits;
mod read;

use std::net::IpAddr;

use bootwright_netboot::Mac;

pub use configuration::{Address, Configuration, Route, Upkeep};
pub use ip_argument::{IpArgument, Method, Setting};
pub use layers::{Bond, Vlan};
pub use limits::Limits;

/// The network as the command line wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    arguments: Vec<IpArgument>,
    bootif: Option<Mac>,
    /// `bootdev=`: the one that leads to the image.
    boot_device: Option<String>,
    /// `ifname=`: other names for interfaces.
    names: Vec<(String, Mac)>,
    nameservers: Vec<IpAddr>,
    /// For one interface, or for the one that is used.
    routes: Vec<(Option<String>, Route)>,
    /// `rd.peerdns=0`.
    own_names_only: bool,
    /// Interfaces to be made out of others.
    pub vlans: Vec<Vlan>,
    /// The same.
    pub bonds: Vec<Bond>,
    /// Time servers of the kernel's `ip=`.
    pub time_servers: Vec<IpAddr>,
    /// `ip=ibft`: the firmware's table of iSCSI says how interfaces come up.
    pub wants_ibft: bool,
    /// How long is waited for what.
    pub limits: Limits,
    /// What was made of each parameter.
    pub remarks: Vec<Remark>,
}

/// What was made of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// As on the line.
    pub parameter: String,
    /// What it does, or why it does nothing.
    pub outcome: Result<String, String>,
}

/// What an interface is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// To come up like this.
    Use(Setting),
    /// To be below another one.
    Below(String),
    /// None: the line wants others.
    None,
}

/// An interface of the machine, as a plan looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The kernel's name first, then those that udev would give.
    pub names: Vec<String>,
    /// Its address.
    pub mac: Mac,
}

impl Plan {
    /// What the interface is for.
    pub fn purpose(&self, candidate: &Candidate) -> Purpose {
        let is = |name: &String| self.is_called(candidate, name);
        if let Some(bond) = self.bonds.iter().find(|bond| bond.members.iter().any(is)) {
            return Purpose::Below(bond.name.clone());
        }
        let named = |argument: &&IpArgument| argument.interface.as_ref().is_some_and(is);
        let argument = self.arguments.iter().find(named);
        if argument.is_none()
            && let Some(vlan) = self.vlans.iter().find(|vlan| is(&vlan.parent))
        {
            return Purpose::Below(vlan.name.clone());
        }
        if self.boot_device.as_ref().is_some_and(|device| !is(device)) {
            return Purpose::None;
        }
        let made = self.made().any(|name| candidate.names.first().is_some_and(|first| first == name));
        let argument = match argument {
            Some(argument) => Some(argument),
            None if !made && !self.is_booted_from(candidate.mac) => return Purpose::None,
            // Who asks for an interface to be made wants that one.
            None if !made && self.made().next().is_some() => return Purpose::None,
            None if self.arguments.is_empty() => None,
            None => match self.arguments.iter().find(|argument| argument.interface.is_none()) {
                Some(argument) => Some(argument),
                None => return Purpose::None,
            },
        };
        match argument {
            None => Purpose::Use(self.extend(Setting::plain(Method::Automatic), candidate)),
            Some(argument) => match &argument.setting {
                Some(setting) => Purpose::Use(self.extend(setting.clone(), candidate)),
                None => Purpose::None,
            },
        }
    }

    /// The names of the interfaces that are to be made.
    pub fn made(&self) -> impl Iterator<Item = &str> {
        let bonds = self.bonds.iter().map(|bond| bond.name.as_str());
        bonds.chain(self.vlans.iter().map(|vlan| vlan.name.as_str()))
    }

    /// Whether the line calls the interface by that name.
    pub fn is_called(&self, candidate: &Candidate, name: &str) -> bool {
        let named = |(other, mac): &(String, Mac)| other == name && *mac == candidate.mac;
        candidate.names.iter().any(|own| own == name) || self.names.iter().any(named)
    }

    /// A sentence on what is waited for, for the operator.
    pub fn wanted(&self) -> String {
        let mut names: Vec<_> =
            self.arguments.iter().filter_map(|argument| argument.interface.as_deref()).collect();
        if names.is_empty() {
            names.extend(self.made());
        }
        match (&self.boot_device, self.bootif, names.is_empty()) {
            (Some(device), ..) => format!("interface {device} (bootdev=)"),
            (None, _, false) => format!("interface {}", names.join(" or ")),
            (None, Some(mac), true) => format!("the interface with address {mac} (BOOTIF=)"),
            (None, None, true) => "any wired interface".to_owned(),
        }
    }

    /// Whether the line says that there shall be no network.
    pub fn is_off(&self) -> bool {
        !self.arguments.is_empty() && self.arguments.iter().all(|argument| argument.setting.is_none())
    }

    /// Puts the line's name servers before those of `found`, or in their place.
    pub fn name_servers(&self, found: &mut Vec<IpAddr>) {
        if self.own_names_only {
            found.clear();
        }
        found.splice(0..0, self.nameservers.iter().copied());
    }

    /// The line's own routes for the interface.
    pub fn routes(&self, candidate: &Candidate) -> impl Iterator<Item = Route> {
        let its = |(name, _): &&(Option<String>, Route)| {
            name.as_ref().is_none_or(|name| self.is_called(candidate, name))
        };
        self.routes.iter().filter(its).map(|(_, route)| *route)
    }

    /// What could not be used, for the console.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let wrong =
            |remark: &Remark| Some(format!("{}: {}", remark.parameter, remark.outcome.as_ref().err()?));
        self.remarks.iter().filter_map(wrong)
    }

    /// The arguments of `ip=`, in order.
    pub fn arguments(&self) -> &[IpArgument] {
        &self.arguments
    }

    fn is_booted_from(&self, mac: Mac) -> bool {
        self.bootif.is_none_or(|bootif| bootif == mac)
    }

    fn extend(&self, mut setting: Setting, candidate: &Candidate) -> Setting {
        let bond = self.bonds.iter().find(|bond| candidate.names.contains(&bond.name));
        setting.mtu = setting.mtu.or(bond.and_then(|bond| bond.mtu));
        setting
    }
}

#[cfg(test)]
mod tests;
