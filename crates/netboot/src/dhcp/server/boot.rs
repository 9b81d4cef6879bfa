//! What a machine is given to boot: the plan behind options 43, 60, 66, 67, 175, `siaddr` and `file`.

use std::fmt;

use super::config::{Boot, Config, Road};
use crate::arch::Firmware;
use crate::assign::Refusal;
use crate::dhcp::packet::MAX_FILE;
use crate::dhcp::{AGENT_CLASS, Packet, code, ipxe_option};
use crate::ipxe;
use crate::machine::{Asker, Facts};
use crate::quirks::Change;

/// Option 43 that makes firmware boot the file of this very answer: PXE_DISCOVERY_CONTROL (6) = 8,
/// "use the boot file name, ask nobody" (PXE 2.1 table 2-1).
const BOOT_DIRECTLY: &[u8] = b"\x06\x01\x08\xff";

/// What one machine is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The image's name.
    pub image: String,
    /// URL or TFTP path; empty for firmware that knows its files itself.
    pub file: String,
    /// The way there.
    pub how: How,
    /// Option 60 of the answer.
    pub(super) class: &'static str,
    /// Option 43 of the answer.
    pub(super) vendor_option: Option<&'static [u8]>,
    /// Leave the boot file out of the offer: the machine asks port 4011 for it.
    pub(super) ask_again: bool,
}

/// The way from here to the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// UEFI HTTP Boot fetches the UKI.
    HttpBoot,
    /// Firmware fetches iPXE by TFTP.
    LoadIpxe,
    /// Firmware fetches the UKI by TFTP.
    Tftp,
    /// Firmware fetches files of its own choice by TFTP.
    OwnFiles,
    /// iPXE fetches its script by HTTP.
    Script,
    /// The agent fetches the manifest by HTTP.
    Manifest,
}

impl fmt::Display for Plan {
    /// `image worker by HTTP Boot`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, file, .. } = self;
        match self.how {
            How::HttpBoot => write!(f, "image {image} by HTTP Boot"),
            How::LoadIpxe => write!(f, "image {image} by iPXE ({file})"),
            How::Tftp => write!(f, "image {image} by TFTP"),
            How::OwnFiles => write!(f, "image {image}, files of the firmware's choice by TFTP"),
            How::Script => write!(f, "image {image} by iPXE script"),
            How::Manifest => write!(f, "image {image}"),
        }
    }
}

/// Why a machine is given nothing to boot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// It only wants an address.
    #[error("it does not ask to boot")]
    NotBooting,
    /// The rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No binary that it could start.
    #[error("there is no iPXE for {0}: install the package ipxe or name a file")]
    NoLoader(&'static str),
    /// It says nothing that we know.
    #[error("its architecture is not known ({0})")]
    Architecture(String),
}

/// Makes the plan for the machine that asks; `facts` are corrected by the quirks already.
pub(super) fn plan(config: &Config, facts: &Facts, changes: &[Change]) -> Result<Plan, NoPlan> {
    if facts.asker == Asker::Other {
        return Err(NoPlan::NotBooting);
    }
    let image = config.rules.choose(facts)?.image.name.clone();
    let boot = &config.boot;
    let (class, how, file) = match facts.asker {
        Asker::Agent => (AGENT_CLASS, How::Manifest, format!("{}/images/{image}/image.json", boot.server)),
        Asker::Ipxe => ("PXEClient", How::Script, ipxe::url(&boot.server, facts)),
        Asker::HttpBoot => match facts.firmware() {
            Firmware::Uefi | Firmware::Uboot => {
                ("HTTPClient", How::HttpBoot, format!("{}/images/{image}/image.efi", boot.server))
            }
            Firmware::Bios | Firmware::RaspberryPi => return Err(unknown(facts)),
        },
        _ => {
            let (how, file) = by_tftp(boot, facts, &image)?;
            ("PXEClient", how, file)
        }
    };
    let firmware_pxe = matches!(facts.asker, Asker::Pxe | Asker::IpxeWithoutHttp);
    let mut plan = Plan {
        image,
        file,
        how,
        class,
        vendor_option: firmware_pxe.then_some(BOOT_DIRECTLY),
        ask_again: false,
    };
    for change in changes {
        match change {
            Change::VendorOption(bytes) => plan.vendor_option = Some(bytes),
            Change::AskAgain => plan.ask_again = true,
            Change::Architecture(_) => {}
        }
    }
    Ok(plan)
}

fn by_tftp(boot: &Boot, facts: &Facts, image: &str) -> Result<(How, String), NoPlan> {
    // A PXE client without any architecture is a BIOS of the nineties.
    if !facts.architectures.is_empty() && facts.known().is_none() {
        return Err(unknown(facts));
    }
    let firmware = facts.firmware();
    let loader = boot.loaders.iter().find(|loader| match firmware {
        Firmware::Bios => loader.firmware == Firmware::Bios,
        Firmware::Uefi | Firmware::Uboot => {
            loader.firmware == Firmware::Uefi && Some(loader.cpu) == facts.cpu()
        }
        Firmware::RaspberryPi => false,
    });
    let uki = || (How::Tftp, format!("{image}/image.efi"));
    let is_ipxe = facts.asker == Asker::IpxeWithoutHttp;
    match (firmware, loader) {
        (Firmware::RaspberryPi, _) => Ok((How::OwnFiles, String::new())),
        (Firmware::Uefi | Firmware::Uboot, _) if boot.road == Road::Tftp && !is_ipxe => Ok(uki()),
        (_, Some(loader)) => Ok((How::LoadIpxe, loader.path.clone())),
        (Firmware::Uefi | Firmware::Uboot, None) if !is_ipxe => Ok(uki()),
        (_, None) => Err(NoPlan::NoLoader(facts.known().map_or("BIOS", |known| known.name))),
    }
}

fn unknown(facts: &Facts) -> NoPlan {
    let codes: Vec<String> = facts.architectures.iter().map(|code| code.0.to_string()).collect();
    NoPlan::Architecture(format!("option 93: {}", codes.join(", ")))
}

/// Which of the two answers of PXE this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// An OFFER, after which firmware may ask port 4011.
    Offer,
    /// The last word.
    Final,
}

/// Writes the plan into an answer to `request`. `siaddr` and `file` are filled as well as 66 and 67: shim
/// takes directory and server from the header only.
pub(super) fn write(plan: &Plan, config: &Config, request: &Packet, answer: &mut Packet, which: Answer) {
    let options = &mut answer.options;
    options.put(code::VENDOR_CLASS, plan.class);
    if let Some(uuid) = request.options.get(code::CLIENT_UUID) {
        options.put(code::CLIENT_UUID, uuid);
    }
    answer.siaddr = config.address;
    if plan.ask_again && which == Answer::Offer {
        return;
    }
    if let Some(bytes) = plan.vendor_option {
        options.put(code::VENDOR, bytes);
    }
    if plan.how == How::Script {
        ipxe_option::answer(options);
    }
    options.put(code::TFTP_SERVER, config.address.to_string());
    if !plan.file.is_empty() {
        options.put(code::BOOT_FILE, plan.file.as_bytes());
        if plan.file.len() <= MAX_FILE {
            answer.file = plan.file.as_bytes().to_vec();
        }
    }
}
