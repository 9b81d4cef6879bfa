//! The process that stays when a root is mounted over NBD: it connects again when the connection breaks.
//!
//! ```text
//! kernel ── NBD_CMD_LINK_DEAD ──▶ connect, negotiate ── NBD_CMD_RECONFIGURE ──▶ kernel: reads that waited are sent again
//! ```
//!
//! Nothing of the root goes through it, and it reads none: it [survives](crate::survive) whatever becomes of that.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use super::netlink::{Breaks, Driver};
use super::open;
use crate::failure::chain;
use crate::instructions;
use crate::log::{self, Verbosity};
use crate::survive::{self, Rights};

/// The name of this role on the command line.
pub const ROLE: &str = "nbd";

/// The wait before the second attempt, and the longest one.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15);

/// What it is to hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orders {
    /// The number of the device.
    pub index: u32,
    /// Of the server.
    pub addresses: Vec<SocketAddr>,
    /// The export.
    pub export: String,
    /// Its bytes.
    pub size: u64,
}

/// Runs it.
pub fn run() -> ExitCode {
    let debug = instructions::read().options.debug;
    log::start(if debug { Verbosity::Debug } else { Verbosity::Normal });
    match settle() {
        Ok((orders, driver, breaks)) => hold(&orders, &driver, &breaks),
        Err(problem) => error!("the root's server is not connected again when it is lost: {problem}"),
    }
    ExitCode::FAILURE
}

fn settle() -> Result<(Orders, Driver, Breaks), String> {
    let begun = survive::begin::<Orders>().map_err(|error| chain(&error))?;
    let failed = |(step, error): (&str, std::io::Error)| format!("{step}: {error}");
    let driver = Driver::open().map_err(failed)?;
    let breaks = driver.breaks().map_err(failed)?;
    driver.hold(begun.orders.index).map_err(failed)?;
    let (orders, _) = begun.settle(Rights::Devices).map_err(|error| chain(&error))?;
    Ok((orders, driver, breaks))
}

/// Until the kernel says nothing any more.
fn hold(orders: &Orders, driver: &Driver, breaks: &Breaks) {
    loop {
        match breaks.wait() {
            Ok(broken) if broken.contains(&orders.index) => connect(orders, driver),
            Ok(_) => {}
            // Several messages in one moment: those that were lost told nothing else.
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => connect(orders, driver),
            Err(error) => return error!("no more news of the root's connection: {error}"),
        }
    }
}

/// Tries until there is a connection.
fn connect(orders: &Orders, driver: &Driver) {
    warn!("the connection to the root's server is lost: reads wait until it answers again");
    let mut wait = FIRST;
    let mut told = String::new();
    loop {
        let attempt = |address: &SocketAddr| once(*address, orders, driver).map(|()| *address);
        let mut problem = String::new();
        let connected = orders.addresses.iter().find_map(|address| match attempt(address) {
            Ok(address) => Some(address),
            Err(why) => {
                problem = why;
                None
            }
        });
        if let Some(address) = connected {
            return info!("{address}: connected again, reads of the root go on");
        }
        if problem != told {
            warn!("{problem}");
            told = problem;
        }
        sleep(wait);
        wait = (wait * 2).min(LONGEST);
    }
}

fn once(address: SocketAddr, orders: &Orders, driver: &Driver) -> Result<(), String> {
    let (stream, found) =
        open(address, &address.to_string(), &orders.export).map_err(|error| chain(&error))?;
    if found.size != orders.size {
        let (now, before) = (found.size, orders.size);
        return Err(format!(
            "{address}: the export has {now} bytes now, and had {before}: it is another one"
        ));
    }
    let attached = driver.attach_again(orders.index, &stream);
    attached.map_err(|(step, error)| format!("{address}: {step}: {error}"))
}
