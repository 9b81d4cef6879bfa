//! What the operator reads when the server starts: what is served, who else is there, what is missing.

use std::net::Ipv4Addr;

use bootwright_netboot::arch::{Cpu, Firmware};
use bootwright_netboot::dhcp::server::{Mode, Sending};

use crate::boot_files::Loaders;
use crate::config::{Config, Road};
use crate::dhcp;
use crate::images::Catalogue;
use crate::interface::Interface;
use crate::recorder::{Level, Recorder, chain};

/// Tells who else gives addresses. Blocks for up to two seconds.
pub fn finish_search(recorder: &Recorder, search: dhcp::Search, own: Ipv4Addr, mode: &Mode) {
    match search.finish(own) {
        Ok(found) => {
            let level = if found.suits(mode) { Level::Info } else { Level::Warning };
            recorder.note(level, found.word(mode));
        }
        Err(error) => recorder.note(Level::Info, not_searched(&error)),
    }
}

/// Why nobody was asked.
pub fn not_searched(error: &dyn std::error::Error) -> String {
    format!("other DHCP servers were not looked for: {}", chain(error))
}

/// Says which machines cannot be booted for want of an iPXE binary.
pub fn advise_loaders(recorder: &Recorder, loaders: &Loaders, options: &Config) {
    let uefi_needs = options.road.unwrap_or_default() == Road::Ipxe;
    let place = match &options.ipxe_dir {
        Some(directory) => format!("{} holds none", directory.display()),
        None => "install the package ipxe (Debian), ipxe-bootimgs-x86 (Fedora), or use --ipxe-dir".into(),
    };
    if !loaders.has(Firmware::Bios, Cpu::X86) {
        recorder
            .note(Level::Warning, format!("BIOS machines cannot boot, there is no iPXE for them: {place}"));
    }
    if uefi_needs && !loaders.has(Firmware::Uefi, Cpu::X86_64) {
        let text =
            format!("UEFI x64 machines that boot by PXE load the image by TFTP, without iPXE: {place}");
        recorder.note(Level::Info, text);
    }
}

/// What is served, and where.
pub fn welcome(
    recorder: &Recorder,
    catalogue: &Catalogue,
    url: &str,
    interface: &Interface,
    sending: Sending,
) {
    let names: Vec<String> = catalogue.images().iter().map(|image| image.name().to_owned()).collect();
    recorder.note(Level::Info, format!("serves {} at {url} on {}", names.join(", "), interface.name));
    if sending == Sending::Nothing {
        recorder.note(Level::Warning, "dry run: nobody is answered by DHCP");
    }
}
