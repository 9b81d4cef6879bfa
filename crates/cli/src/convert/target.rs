//! What a disk is converted to.

use std::io::{self, Seek, Write};
use std::path::Path;

use bootwright_formats::ReadAt;
use bootwright_formats::disk::container::{Machine, gce, ova, vagrant};
use bootwright_formats::disk::qcow2::{self, CompressionType};
use bootwright_formats::disk::vdi::ImageType;
use bootwright_formats::disk::{Options, Watch, raw, vdi, vhd, vhdx, vmdk};
use clap::ValueEnum;

/// A format with its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// The bytes as they are, zeros as holes.
    Raw,
    /// QEMU, version 3.
    Qcow2,
    /// VMware and VirtualBox, monolithicSparse.
    Vmdk,
    /// VMware, streamOptimized: compressed, what OVAs hold.
    VmdkStream,
    /// Hyper-V, XenServer: dynamic.
    Vhd,
    /// Fixed.
    VhdFixed,
    /// Azure: a fixed VHD of whole MiB.
    Azure,
    /// Hyper-V: dynamic.
    Vhdx,
    /// Fixed.
    VhdxFixed,
    /// VirtualBox: dynamic.
    Vdi,
    /// Static.
    VdiStatic,
    /// ESXi, VirtualBox: OVF, manifest and a compressed VMDK in one file.
    Ova,
    /// A Vagrant box for libvirt.
    VagrantLibvirt,
    /// A Vagrant box for VirtualBox.
    VagrantVirtualbox,
    /// Google Compute Engine: a sparse disk.raw in tar and gzip.
    Gce,
}

/// How clusters of a qcow2 are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compress {
    /// What every QEMU reads.
    Zlib,
    /// Faster and smaller; QEMU 5.1 and later.
    Zstd,
}

impl Target {
    /// By the file's extension.
    pub fn by_extension(path: &Path) -> Option<Self> {
        if path.to_string_lossy().ends_with(".tar.gz") {
            return Some(Self::Gce);
        }
        Some(match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "raw" | "img" | "bin" | "dd" => Self::Raw,
            "qcow2" => Self::Qcow2,
            "vmdk" => Self::Vmdk,
            "vhd" | "vpc" => Self::Vhd,
            "vhdx" => Self::Vhdx,
            "vdi" => Self::Vdi,
            "ova" => Self::Ova,
            _ => return None,
        })
    }

    /// As it is written on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Writes `disk` into `to`, which will be named `path`.
    pub fn write(
        self,
        disk: &dyn ReadAt,
        to: &mut (impl Write + Seek),
        path: &Path,
        parameters: &Parameters<'_>,
    ) -> io::Result<()> {
        let Parameters { options, watch, compress, machine } = *parameters;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let description = vmdk::Description::new(name);
        let compression = compress.map(|compress| match compress {
            Compress::Zlib => CompressionType::Zlib,
            Compress::Zstd => CompressionType::Zstd,
        });
        match self {
            Self::Raw => raw::write(disk, to, options, watch),
            Self::Qcow2 => qcow2::write(disk, to, compression, options, watch),
            Self::Vmdk => vmdk::write_sparse(disk, to, &description, options, watch),
            Self::VmdkStream => vmdk::write_stream(disk, to, &description, options, watch).map(drop),
            Self::Vhd => vhd::write(disk, to, vhd::Kind::Dynamic, options, watch),
            Self::VhdFixed => vhd::write(disk, to, vhd::Kind::Fixed, options, watch),
            Self::Azure => vhd::write(disk, to, vhd::Kind::Azure, options, watch),
            Self::Vhdx => vhdx::write(disk, to, vhdx::Kind::Dynamic, options, watch),
            Self::VhdxFixed => vhdx::write(disk, to, vhdx::Kind::Fixed, options, watch),
            Self::Vdi => vdi::write(disk, to, ImageType::Dynamic, options, watch),
            Self::VdiStatic => vdi::write(disk, to, ImageType::Static, options, watch),
            Self::Ova => ova::write(disk, to, machine, options, watch),
            Self::VagrantLibvirt => {
                vagrant::write(disk, to, vagrant::Provider::Libvirt, machine, (options, watch))
            }
            Self::VagrantVirtualbox => {
                vagrant::write(disk, to, vagrant::Provider::VirtualBox, machine, (options, watch))
            }
            Self::Gce => gce::write(disk, to, options, watch),
        }
    }
}

/// How it is written.
#[derive(Clone, Copy)]
pub struct Parameters<'a> {
    /// Threads, seed, time.
    pub options: &'a Options,
    /// Is told what goes through.
    pub watch: &'a dyn Watch,
    /// For qcow2.
    pub compress: Option<Compress>,
    /// For OVA and Vagrant.
    pub machine: &'a Machine,
}
