//! One QEMU machine in a [network](Network).
//!
//! [`Builder`] says what the machine is made of, [`Builder::start`] runs it, and the [`Machine`] listens
//! to its serial console, types into it and ends it. What QEMU itself complains of stands in the same
//! transcript.

mod accel;
mod arguments;
mod firmware;
mod parts;
mod qmp;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use regex_lite::Regex;

pub use accel::{Accel, Choice};
pub use firmware::{Firmware, Ovmf};
use parts::Screen;
pub use parts::{Attach, Boot, Console, NicModel, NicRom, OnReboot};

use crate::{Error, Network, NotSeen, Seen, Transcript, service};

/// The program that runs every machine.
pub const QEMU: &str = "qemu-system-x86_64";

/// The size at which QEMU's FAT driver ends, less room for its own tables.
const MAX_ESP: u64 = 480 << 20;

/// From one key to the next: firmware polls its serial port and loses what comes faster.
const KEY: Duration = Duration::from_millis(50);

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct Builder {
    firmware: Firmware,
    accel: Accel,
    clock: Option<String>,
    memory: u32,
    mac: String,
    nic: NicModel,
    rom: NicRom,
    second_card: Option<(String, String)>,
    seed: Option<PathBuf>,
    disk: Option<PathBuf>,
    boot: Boot,
    fw_cfg: Vec<(String, String)>,
    smbios: Vec<String>,
    on_reboot: OnReboot,
    console: Console,
    screen: Screen,
}

impl Builder {
    /// A machine with 1 GiB of memory, one virtio card and nothing else, that boots from the network.
    pub fn new(firmware: Firmware) -> Self {
        Self {
            firmware,
            accel: Accel::Tcg,
            memory: 1024,
            clock: None,
            mac: mac(1),
            nic: NicModel::Virtio,
            rom: if firmware == Firmware::Uefi { NicRom::None } else { NicRom::Ipxe },
            second_card: None,
            seed: None,
            disk: None,
            boot: Boot::Network,
            fw_cfg: Vec::new(),
            smbios: Vec::new(),
            on_reboot: OnReboot::Restart,
            console: Console::Captured { copy: None },
            screen: Screen::None,
        }
    }

    /// What executes the guest.
    #[must_use]
    pub fn accel(self, accel: Accel) -> Self {
        Self { accel, ..self }
    }

    /// What its clock shows when it is switched on, in UTC: `2031-01-01T00:00:00`.
    #[must_use]
    pub fn clock(self, time: &str) -> Self {
        Self { clock: Some(time.to_owned()), ..self }
    }

    /// Memory in MiB.
    #[must_use]
    pub fn memory(self, memory: u32) -> Self {
        Self { memory, ..self }
    }

    /// Ethernet address, see [`mac`].
    #[must_use]
    pub fn mac(self, mac: impl Into<String>) -> Self {
        Self { mac: mac.into(), ..self }
    }

    /// The network card.
    #[must_use]
    pub fn nic(self, nic: NicModel) -> Self {
        Self { nic, ..self }
    }

    /// What drives the card at first.
    #[must_use]
    pub fn rom(self, rom: NicRom) -> Self {
        Self { rom, ..self }
    }

    /// A second network card, on a tap that the caller has [made](crate::Lab::tap), with the address `mac`.
    #[must_use]
    pub fn second_card(self, tap: impl Into<String>, mac: impl Into<String>) -> Self {
        Self { second_card: Some((tap.into(), mac.into())), ..self }
    }

    /// A further disk, read-only and raw, that nothing boots from: a NoCloud seed.
    #[must_use]
    pub fn seed(self, file: impl Into<PathBuf>) -> Self {
        Self { seed: Some(file.into()), ..self }
    }

    /// A further disk, raw, that nothing boots from and that keeps what is written to it.
    #[must_use]
    pub fn disk(self, file: impl Into<PathBuf>) -> Self {
        Self { disk: Some(file.into()), ..self }
    }

    /// What it boots from.
    #[must_use]
    pub fn boot(self, boot: Boot) -> Self {
        Self { boot, ..self }
    }

    /// An entry of QEMU's firmware configuration, such as `opt/org.tianocore/IPv4PXESupport` = `n`.
    #[must_use]
    pub fn fw_cfg(mut self, name: &str, value: &str) -> Self {
        self.fw_cfg.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A string of the firmware's table 11 (SMBIOS, OEM strings), where systemd-stub and systemd look for words.
    #[must_use]
    pub fn oem_string(mut self, text: impl Into<String>) -> Self {
        self.smbios.push(text.into());
        self
    }

    /// What a reboot of the guest does.
    #[must_use]
    pub fn on_reboot(self, on_reboot: OnReboot) -> Self {
        Self { on_reboot, ..self }
    }

    /// Has the BIOS, and the ROMs it starts, speak on the serial console as well.
    #[must_use]
    pub fn bios_on_serial(self) -> Self {
        Self { screen: Screen::Serial, ..self }
    }

    /// Gives it a VGA card, of which a [picture](Machine::screenshot) can be taken.
    #[must_use]
    pub fn vga(self) -> Self {
        Self { screen: Screen::Vga, ..self }
    }

    /// Where the serial console goes.
    #[must_use]
    pub fn console(self, console: Console) -> Self {
        Self { console, ..self }
    }

    /// Starts the machine on a cable of its own.
    ///
    /// # Errors
    /// [`Error::Missing`] without OVMF, [`Error::Tool`] without QEMU, [`Error::Command`] when no tap
    /// can be had. That QEMU refuses its arguments shows in the transcript.
    pub fn start(&self, network: &dyn Network) -> Result<Machine, Error> {
        installed()?;
        let directory = tempfile::tempdir().map_err(Error::io("making a directory for a machine"))?;
        let files = arguments::Files {
            plug: network.plug()?,
            socket: directory.path().join("qmp"),
            ovmf: self.ovmf(directory.path())?,
            esp: self.esp(directory.path())?,
        };
        let mut command = network.inside(QEMU.as_ref());
        command.args(arguments::arguments(self, &files));
        let console = Transcript::default();
        if self.console != Console::Terminal {
            let (reader, writer) = io::pipe().map_err(Error::io("making a pipe"))?;
            let second = writer.try_clone().map_err(Error::io("making a pipe"))?;
            command.stdin(Stdio::piped()).stdout(writer).stderr(second);
            console.follow(reader, self.copy()?);
        }
        let mut child = command.spawn().map_err(Error::tool("nsenter", "util-linux"))?;
        let keyboard = child.stdin.take();
        Ok(Machine {
            child,
            keyboard,
            console,
            socket: files.socket,
            mac: self.mac.clone(),
            tap: files.plug.tap,
            _directory: directory,
        })
    }

    fn ovmf(&self, directory: &Path) -> Result<Option<Ovmf>, Error> {
        if self.firmware == Firmware::Bios {
            return Ok(None);
        }
        let found = Ovmf::find()?;
        let variables = found.fresh_variables(directory)?;
        Ok(Some(Ovmf { variables, ..found }))
    }

    /// A directory that QEMU shows as a FAT file system.
    fn esp(&self, directory: &Path) -> Result<Option<PathBuf>, Error> {
        let Boot::Esp(file) = &self.boot else { return Ok(None) };
        let doing = || Error::io(format!("putting {} on an EFI system partition", file.display()));
        let file = file.canonicalize().map_err(doing())?;
        if fs::metadata(&file).map_err(doing())?.len() > MAX_ESP {
            let error = io::Error::new(io::ErrorKind::FileTooLarge, "QEMU's FAT driver ends at 480 MiB");
            return Err(doing()(error));
        }
        let esp = directory.join("esp");
        fs::create_dir_all(esp.join("EFI/BOOT")).map_err(doing())?;
        std::os::unix::fs::symlink(&file, esp.join("EFI/BOOT/BOOTX64.EFI")).map_err(doing())?;
        Ok(Some(esp))
    }

    fn copy(&self) -> Result<Option<service::Copy>, Error> {
        let Console::Captured { copy: Some(path) } = &self.console else { return Ok(None) };
        let file = fs::File::create(path).map_err(Error::io(format!("creating {}", path.display())))?;
        Ok(Some(Box::new(file)))
    }
}

/// The Ethernet address of the `n`th machine of a network, in QEMU's own range.
pub fn mac(n: u8) -> String {
    format!("52:54:00:b0:07:{n:02x}")
}

/// Whether QEMU is there: in the lab, a missing program would be nsenter's complaint.
fn installed() -> Result<(), Error> {
    let asked = std::process::Command::new(QEMU).arg("--version").stdout(Stdio::null()).status();
    asked.map(drop).map_err(Error::tool(QEMU, "qemu-system-x86"))
}

/// A running machine. Dropping it pulls the plug.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    keyboard: Option<ChildStdin>,
    console: Transcript,
    socket: PathBuf,
    mac: String,
    tap: Option<String>,
    _directory: tempfile::TempDir,
}

impl Machine {
    /// What it has said on its serial console.
    pub fn console(&self) -> &Transcript {
        &self.console
    }

    /// Its Ethernet address.
    pub fn mac(&self) -> &str {
        &self.mac
    }

    /// The other end of its network cable where that is a tap, see [`Lab::tap`](crate::Lab::tap).
    pub fn tap(&self) -> Option<&str> {
        self.tap.as_deref()
    }

    /// Waits for a line on the console, see [`Transcript::expect`].
    ///
    /// # Errors
    /// [`NotSeen`] with the last lines.
    pub fn expect(&self, pattern: &Regex, timeout: Duration) -> Result<Seen, NotSeen> {
        self.console.expect(pattern, timeout)
    }

    /// Types on the serial console, at the speed of a typist.
    ///
    /// # Errors
    /// [`Error::Io`] when the machine has ended.
    pub fn type_text(&mut self, text: &str) -> Result<(), Error> {
        let Some(keyboard) = &mut self.keyboard else { return Ok(()) };
        for byte in text.as_bytes() {
            let typed = keyboard.write_all(&[*byte]).and_then(|()| keyboard.flush());
            typed.map_err(Error::io("typing on a machine's console"))?;
            std::thread::sleep(KEY);
        }
        Ok(())
    }

    /// Waits until QEMU ends by itself; `None` when it still runs after `timeout`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be waited for.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<ExitStatus>, Error> {
        let begun = Instant::now();
        loop {
            let ended = self.child.try_wait().map_err(Error::io("waiting for QEMU"))?;
            if ended.is_some() || begun.elapsed() >= timeout {
                return Ok(ended);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Pulls the network cable out of its first card: the guest sees no signal any more.
    ///
    /// # Errors
    /// [`Error::Io`] when QEMU does not answer.
    pub fn unplug(&self) -> Result<(), Error> {
        qmp::unplug(&self.socket)
    }

    /// Writes what its screen shows into `file`, as a PPM picture.
    ///
    /// # Errors
    /// [`Error::Io`] when QEMU does not answer, or the machine has no screen.
    pub fn screenshot(&self, file: &Path) -> Result<(), Error> {
        qmp::screenshot(&self.socket, file)
    }

    /// Ends the machine in order.
    ///
    /// # Errors
    /// [`Error::Io`] when QEMU does not answer; it is killed then.
    pub fn quit(mut self) -> Result<(), Error> {
        qmp::quit(&self.socket)?;
        self.wait(Duration::from_secs(10)).map(drop)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = service::end(&mut self.child);
        }
    }
}
