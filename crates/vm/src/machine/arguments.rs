//! QEMU's command line for a machine.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::network::Plug;

use super::{Attach, Boot, Builder, Console, NicModel, NicRom, OnReboot, Ovmf, Screen};

/// What [`Builder::start`] made for this machine.
pub(super) struct Files {
    pub plug: Plug,
    pub socket: PathBuf,
    pub ovmf: Option<Ovmf>,
    pub esp: Option<PathBuf>,
}

/// The arguments that make QEMU this machine.
pub(super) fn arguments(builder: &Builder, files: &Files) -> Vec<OsString> {
    let mut list = List::default();
    let machine = match builder.screen {
        Screen::None | Screen::Vga => "q35",
        Screen::Serial => "q35,graphics=off",
    };
    list.pair("-machine", machine).pair("-accel", builder.accel.name()).pair("-cpu", "max");
    list.pair("-m", format!("{}M", builder.memory));
    // Nothing that was not asked for: no VGA, no floppy, no second card.
    list.one("-nodefaults").pair("-display", "none");
    if builder.screen == Screen::Vga {
        list.pair("-vga", "std");
    }
    list.pair("-device", "virtio-rng-pci");
    if let Some(time) = &builder.clock {
        list.pair("-rtc", format!("base={time}"));
    }
    list.with_path("-qmp", "unix:", &files.socket, ",server=on,wait=off");
    if let Some(ovmf) = &files.ovmf {
        list.with_path("-drive", "if=pflash,unit=0,format=raw,readonly=on,file=", &ovmf.code, "");
        list.with_path("-drive", "if=pflash,unit=1,format=raw,file=", &ovmf.variables, "");
    }
    network(&mut list, builder, &files.plug);
    boot(&mut list, builder, files);
    if let Some(seed) = &builder.seed {
        list.with_path("-drive", "if=none,id=seed,format=raw,readonly=on,file=", seed, "");
        list.pair("-device", "virtio-blk-pci,drive=seed");
    }
    if let Some(disk) = &builder.disk {
        list.with_path("-drive", "if=none,id=disk,format=raw,file=", disk, "");
        list.pair("-device", "virtio-blk-pci,drive=disk");
    }
    for (name, value) in &builder.fw_cfg {
        list.pair("-fw_cfg", format!("name={},string={}", escape(name), escape(value)));
    }
    for text in &builder.smbios {
        list.pair("-smbios", format!("type=11,value={}", escape(text)));
    }
    if builder.on_reboot == OnReboot::Exit {
        list.one("-no-reboot");
    }
    match &builder.console {
        Console::Captured { .. } => list.pair("-chardev", "stdio,id=console,signal=off"),
        Console::Terminal => list
            .pair("-chardev", "stdio,id=console,mux=on,signal=off")
            .pair("-mon", "chardev=console,mode=readline"),
    };
    list.pair("-serial", "chardev:console");
    list.0
}

fn network(list: &mut List, builder: &Builder, plug: &Plug) {
    let mut netdev = plug.netdev.clone();
    netdev.push(",id=net");
    list.pair("-netdev", netdev);
    let model = match builder.nic {
        NicModel::Virtio => "virtio-net-pci",
        NicModel::E1000e => "e1000e",
    };
    let rom = match builder.rom {
        NicRom::None => ",romfile=",
        NicRom::Ipxe => "",
    };
    let order = if builder.boot == Boot::Network { ",bootindex=0" } else { "" };
    list.pair("-device", format!("{model},netdev=net,mac={}{rom}{order}", builder.mac));
    if let Some((tap, mac)) = &builder.second_card {
        list.pair("-netdev", format!("tap,ifname={tap},script=no,downscript=no,id=second"));
        list.pair("-device", format!("{model},netdev=second,mac={mac},romfile="));
    }
}

fn boot(list: &mut List, builder: &Builder, files: &Files) {
    if let Boot::Kernel { kernel, initrd, cmdline } = &builder.boot {
        list.pair("-kernel", kernel).pair("-initrd", initrd).pair("-append", cmdline);
    }
    if let Boot::Medium { file, attach } = &builder.boot {
        let format = medium_format(file);
        let access = if *attach == Attach::Cd { "readonly=on" } else { "snapshot=on" };
        list.with_path("-drive", &format!("if=none,id=medium,format={format},{access},file="), file, "");
        let device = match attach {
            Attach::Disk => "ide-hd",
            Attach::Disk4Kn => "virtio-blk-pci,logical_block_size=4096,physical_block_size=4096",
            Attach::Cd => "ide-cd",
            Attach::Usb => {
                list.pair("-device", "qemu-xhci");
                "usb-storage"
            }
        };
        list.pair("-device", format!("{device},drive=medium,bootindex=0"));
    }
    if let Some(esp) = &files.esp {
        list.with_path("-drive", "if=none,id=esp,format=raw,readonly=on,file=fat:", esp, "");
        list.pair("-device", "virtio-blk-pci,drive=esp,bootindex=0");
    }
}

/// QEMU's word for the format of a file, by the end of its name.
fn medium_format(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("qcow2") => "qcow2",
        Some("vmdk") => "vmdk",
        Some("vhd") => "vpc",
        Some("vhdx") => "vhdx",
        Some("vdi") => "vdi",
        _ => "raw",
    }
}

/// A comma ends a value in QEMU's options; two are one.
fn escape(text: &str) -> String {
    text.replace(',', ",,")
}

#[derive(Default)]
struct List(Vec<OsString>);

impl List {
    fn one(&mut self, option: &str) -> &mut Self {
        self.0.push(option.into());
        self
    }

    fn pair(&mut self, option: &str, value: impl Into<OsString>) -> &mut Self {
        self.0.extend([option.into(), value.into()]);
        self
    }

    fn with_path(&mut self, option: &str, before: &str, path: &Path, after: &str) -> &mut Self {
        let mut value = before.as_bytes().to_vec();
        for byte in path.as_os_str().as_bytes() {
            value.push(*byte);
            if *byte == b',' {
                value.push(b',');
            }
        }
        value.extend(after.as_bytes());
        self.pair(option, OsString::from_vec(value))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Firmware, mac};
    use super::*;

    fn line(builder: &Builder) -> String {
        let files = Files {
            plug: Plug { netdev: "tap,ifname=tap7".into(), tap: None },
            socket: "/run/a,b/qmp".into(),
            ovmf: Some(Ovmf { code: "/o/code".into(), variables: "/t/variables".into() }),
            esp: None,
        };
        let words = arguments(builder, &files);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_uefi_machine_boots_from_the_network_without_ipxe_in_its_card() {
        let line = line(&Builder::new(Firmware::Uefi).fw_cfg("opt/org.tianocore/IPv4PXESupport", "n"));
        let card = format!("virtio-net-pci,netdev=net,mac={},romfile=,bootindex=0", mac(1));
        assert!(line.contains(&card), "{line}");
        assert!(line.contains("-fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=n"), "{line}");
        assert!(line.contains("pflash,unit=0,format=raw,readonly=on,file=/o/code"), "{line}");
    }

    #[test]
    fn words_for_the_stub_lie_in_the_firmware() {
        let line =
            line(&Builder::new(Firmware::Uefi).oem_string("io.systemd.stub.kernel-cmdline-extra=a=1,2 b"));
        assert!(
            line.contains("-smbios type=11,value=io.systemd.stub.kernel-cmdline-extra=a=1,,2 b"),
            "{line}"
        );
    }

    #[test]
    fn a_medium_is_a_disk_a_cd_or_a_stick() {
        let with = |file: &str, attach| {
            line(&Builder::new(Firmware::Bios).boot(Boot::Medium { file: file.into(), attach }))
        };
        let disk = with("/i/a.vhd", Attach::Disk);
        assert!(
            disk.contains("format=vpc,snapshot=on,file=/i/a.vhd -device ide-hd,drive=medium,bootindex=0"),
            "{disk}"
        );
        let disk = with("/i/a.raw", Attach::Disk4Kn);
        assert!(
            disk.contains("virtio-blk-pci,logical_block_size=4096,physical_block_size=4096,drive=medium")
        );
        assert!(with("/i/a.iso", Attach::Cd).contains("format=raw,readonly=on,file=/i/a.iso -device ide-cd"));
        assert!(with("/i/a.iso", Attach::Usb).contains("-device qemu-xhci -device usb-storage,drive=medium"));
    }

    #[test]
    fn a_seed_is_one_more_disk_and_nothing_boots_from_it() {
        let line = line(&Builder::new(Firmware::Uefi).seed("/s/seed.iso"));
        assert!(line.contains("readonly=on,file=/s/seed.iso -device virtio-blk-pci,drive=seed"), "{line}");
        assert!(!line.contains("drive=seed,bootindex"), "{line}");
    }

    #[test]
    fn a_disk_keeps_what_is_written_to_it() {
        let line = line(&Builder::new(Firmware::Bios).disk("/d/disk.raw"));
        assert!(
            line.contains("id=disk,format=raw,file=/d/disk.raw -device virtio-blk-pci,drive=disk"),
            "{line}"
        );
        assert!(!line.contains("snapshot=on"), "{line}");
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_the_option() {
        assert!(line(&Builder::new(Firmware::Bios)).contains("unix:/run/a,,b/qmp,server=on"));
    }
}
