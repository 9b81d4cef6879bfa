//! PID 1 of a machine that boots an image: the *agent*.
//!
//! Two processes share the work, so that no fault of the larger one can make the kernel panic:
//!
//! - **PID 1** ([`supervise`]) mounts `/proc`, `/sys`, `/dev` and `/run`, starts the worker, reaps, and
//!   carries out what the worker hands over: move into the new root, start the loaded kernel, or do what
//!   `bootwright.on_failure` says. It knows no network and no file format.
//! - **the worker** ([`work`]) does all that can go wrong: [`devices`] loads drivers, [`network`] brings
//!   up links and addresses, [`instructions`] and [`bootwright_plan`] say which image, [`root`] fetches and verifies its root
//!   or reads it from a local [`medium`], or finds it on another machine ([`remote`]), [`foreign`] does so for images of others, [`boot`] mounts it or loads a kernel, [`report`] tells the server. It ends with a [`handover`]: one
//!   line of JSON on its standard output. A worker that crashes is a failure with a cause like any other.
//!
//! In mode `disk` the root comes from a cache on the machine's own disk, and is mounted there ([`disk`]).
//!
//! A third role is the copy in `/run/bootwright/agent`, which a systemd unit runs as
//! `agent report system TEXT` once the system is up. In the shell of a boot that has failed, it is [`rescue`]'s tool. Three more go on in the system, they [survive]: the one
//! that gives the root to other machines ([`share`]), in mode `stream` the one that answers the reads of the root
//! ([`stream`]), and with a root over NBD the one that connects [again](remote::nbd::again).

mod boot;
mod clock;
mod devices;
mod disk;
mod failure;
mod firmware_variables;
mod foreign;
mod handover;
mod instructions;
mod log;
mod medium;
mod network;
mod remote;
mod report;
mod rescue;
mod root;
mod share;
mod signature;
mod stream;
mod supervise;
mod survive;
mod work;

use std::process::ExitCode;

const USAGE: &str = "\
bootwright-agent: PID 1 of a machine that boots a bootwright image

It is the /init of an initrd and does nothing as an ordinary program, except:

  bootwright-agent report STAGE TEXT   tell the server that this machine reached STAGE
  bootwright-agent cache good          remember that the image of this boot has come up
  bootwright-agent --version

Example: bootwright-agent report system 'the system is up'
";

fn main() -> ExitCode {
    if rustix::process::getpid().is_init() {
        supervise::run();
    }
    let mut arguments = std::env::args();
    if rescue::is_called_by(arguments.next().as_deref()) {
        return rescue::run(arguments);
    }
    match arguments.next().as_deref() {
        Some(work::ROLE) => work::run(),
        Some(stream::ROLE) => stream::run(),
        Some(disk::mark::ROLE) => disk::mark::run(arguments),
        Some(report::ROLE) => report::run(arguments),
        Some(share::seeder::ROLE) => share::seeder::run(),
        Some(remote::nbd::again::ROLE) => remote::nbd::again::run(),
        Some("--version") => {
            println!("bootwright-agent {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some("--help" | "-h") => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
