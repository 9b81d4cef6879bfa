//! `cargo xtask demo`: one image, two machines, two roads.
//!
//! 1. [`images::build`] makes `examples/hello`: a real Debian with systemd and Debian's kernel.
//! 2. `bootwright serve` runs in a private network ([`Lab`]).
//! 3. A UEFI machine boots by HTTP Boot, a BIOS machine by PXE, from the same `image.efi`.
//! 4. Both are followed to their login prompt; then their [`timeline`]s stand side by side.

mod timeline;

use std::time::{Duration, Instant};

use bootwright_vm::machine::{self, Firmware};
use bootwright_vm::server::{ByTftp, Dhcp, Serving};
use bootwright_vm::{Lab, Machine, Road, Server};
use regex_lite::Regex;

use crate::images::Profile;
use crate::packages::{self, Need};
use crate::{Result, images};

/// TCG on two cores needs one minute; a machine that takes this long has failed.
const TIMEOUT: Duration = Duration::from_secs(600);

/// What the demo's two machines are.
const MACHINES: [(&str, Road, Firmware); 2] =
    [("UEFI, HTTP Boot", Road::Http, Firmware::Uefi), ("BIOS, PXE", Road::Pxe, Firmware::Bios)];

/// Runs the demo.
pub fn run() -> Result<()> {
    let begun = Instant::now();
    packages::install(Need::Demo)?;
    let bootwright = images::bootwright(Profile::Quick)?;
    let image = images::build(&bootwright, "hello", "hello")?;

    let state = tempfile::tempdir().map_err(|error| format!("a directory for the server: {error}"))?;
    let lab = Lab::new().map_err(told)?;
    let serving = Serving {
        program: bootwright,
        images: vec![image],
        dhcp: Dhcp::Full,
        by_tftp: ByTftp::Ipxe,
        state: state.path().to_owned(),
    };
    println!("── serve it in a private network and switch on two machines");
    let server = Server::start(&lab, &serving, None).map_err(told)?;
    let machines = switch_on(&lab)?;
    follow(&lab, &server, &machines)?;
    let told_by_server = timeline::read(&ask(&lab, &server)?, &machines);
    println!("\n{}", timeline::side_by_side(&told_by_server));
    println!(
        "\nBoth machines booted the same image.efi. The whole demo took {:.0} s.",
        begun.elapsed().as_secs_f64()
    );
    println!("Next: bootwright init, bootwright build, bootwright serve (see README.md).");
    Ok(())
}

fn switch_on(lab: &Lab) -> Result<Vec<(&'static str, Machine)>> {
    let mut machines = Vec::new();
    for (n, (label, road, firmware)) in (1..).zip(MACHINES) {
        let builder = road.machine(firmware).map_err(told)?;
        let machine = builder.mac(machine::mac(n)).start(lab).map_err(told)?;
        println!("   {}  {label}", machine.mac());
        machines.push((label, machine));
    }
    Ok(machines)
}

/// Prints every event as the server learns of it, until each machine shows its login prompt.
fn follow(lab: &Lab, server: &Server, machines: &[(&'static str, Machine)]) -> Result<()> {
    let prompt = Regex::new("login:").map_err(told)?;
    let begun = Instant::now();
    let mut shown = vec![0; machines.len()];
    let mut up = vec![false; machines.len()];
    while !up.iter().all(|up| *up) {
        if begun.elapsed() > TIMEOUT {
            return Err(evidence(server, machines));
        }
        std::thread::sleep(Duration::from_millis(500));
        let told_by_server = timeline::read(&ask(lab, server)?, machines);
        for (timeline, shown) in told_by_server.iter().zip(&mut shown) {
            for event in timeline.events.iter().skip(*shown) {
                println!("   {:15}  {:6.1} s  {}", timeline.label, event.seconds, event.text);
            }
            *shown = timeline.events.len();
        }
        for ((label, machine), up) in machines.iter().zip(&mut up) {
            if !*up && machine.expect(&prompt, Duration::ZERO).is_ok() {
                *up = true;
                println!("   {label:15}  {:6.1} s  ★ login prompt", begun.elapsed().as_secs_f64());
            } else if machine.console().has_ended() {
                return Err(evidence(server, machines));
            }
        }
    }
    Ok(())
}

fn ask(lab: &Lab, server: &Server) -> Result<Vec<bootwright_image::timeline::Machine>> {
    serde_json::from_value(server.machines(lab).map_err(told)?).map_err(told)
}

/// What is known when a machine did not come up.
fn evidence(server: &Server, machines: &[(&'static str, Machine)]) -> String {
    let mut text = String::from("a machine did not reach its login prompt\n");
    for (label, machine) in machines {
        text.push_str(&format!("── console of {label}\n{}\n", machine.console().tail(30).join("\n")));
    }
    text.push_str(&format!("── server\n{}", server.transcript().tail(30).join("\n")));
    text
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
