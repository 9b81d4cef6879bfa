//! What machines and our server hang on: a [`Lab`], or a [`Switch`] where the host makes no labs.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use crate::lab::{ADDRESS, BRIDGE};
use crate::{Error, Lab, Switch, VlanId};

/// The end of a network cable that a machine is plugged into.
#[derive(Debug, Clone)]
pub struct Plug {
    /// QEMU's `-netdev`, all but `id=`.
    pub(crate) netdev: OsString,
    /// The tap's name, where it is one.
    pub(crate) tap: Option<String>,
}

/// A network of machines with a place for our server at [`ADDRESS`].
pub trait Network {
    /// A cable for one more machine.
    ///
    /// # Errors
    /// [`Error::Command`] when no tap can be had.
    fn plug(&self) -> Result<Plug, Error>;

    /// A command that will run `program` where machines and server run, and that dies with us.
    fn inside(&self, program: &std::ffi::OsStr) -> Command;

    /// Tells `bootwright serve` where it is.
    fn place(&self, serve: &mut Command);

    /// GETs a path of our server.
    ///
    /// # Errors
    /// [`Error::Command`] with what curl(1) said.
    fn get(&self, path: &str) -> Result<Vec<u8>, Error>;
}

impl Network for Lab {
    fn plug(&self) -> Result<Plug, Error> {
        let tap = self.tap()?;
        let netdev = format!("tap,ifname={tap},script=no,downscript=no");
        Ok(Plug { netdev: netdev.into(), tap: Some(tap) })
    }

    fn inside(&self, program: &std::ffi::OsStr) -> Command {
        self.command(program)
    }

    fn place(&self, serve: &mut Command) {
        serve.args(["--interface", BRIDGE, "--address", ADDRESS, "--http-port", "80"]);
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, Error> {
        fetch(self.command("curl"), &format!("http://{ADDRESS}{path}"))
    }
}

/// What `curl` gets from `url`.
pub(crate) fn fetch(mut curl: Command, url: &str) -> Result<Vec<u8>, Error> {
    let output = curl
        .args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "10", url])
        .stdin(Stdio::null())
        .output()
        .map_err(Error::tool("nsenter", "util-linux"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Command { command: format!("curl {url}"), status: output.status, said })
}

/// Which kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A lab where the host allows it, else a switch.
    Auto,
    /// A lab.
    Namespace,
    /// A switch.
    User,
    /// A switch on which machines have to send tagged frames.
    Trunk(VlanId),
}

/// A network, and why it is not a lab when it was ours to choose.
pub type Made = (Box<dyn Network>, Option<String>);

/// Makes a network.
///
/// # Errors
/// [`Error::Closed`] where a lab was asked for and the host allows none; what is missing for it.
pub fn make(kind: Kind) -> Result<Made, Error> {
    match kind {
        Kind::User => Ok((Box::new(Switch::new()?), None)),
        Kind::Trunk(id) => Ok((Box::new(Switch::trunk(id)?), None)),
        Kind::Namespace => Ok((Box::new(Lab::new()?), None)),
        Kind::Auto => match lab_with_taps() {
            Ok(lab) => Ok((Box::new(lab), None)),
            Err(why) => Ok((Box::new(Switch::new()?), Some(why.to_string()))),
        },
    }
}

/// A lab in which a machine can be plugged in: a container may allow namespaces and close /dev/net/tun.
fn lab_with_taps() -> Result<Lab, Error> {
    let lab = Lab::new()?;
    lab.tap()?;
    Ok(lab)
}
