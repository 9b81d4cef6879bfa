//! A small root with a stub in place of a kernel, and builds of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bootwright_build::recipe::Recipe;
use bootwright_build::steps::{
    BuildError, Options, Outcome, Progress, Refresh, Report, Step, StepReport, build,
};
use bootwright_build::tree::Metadata;
use bootwright_formats::tar::{Writer, Written};

const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
pub const VERSION: &str = "6.12.1-test";

/// A directory with a recipe, the tar it names, and room for what is built.
pub struct Bench(tempfile::TempDir);

/// The steps that were done.
#[derive(Default)]
pub struct Heard(Mutex<Vec<(Step, Outcome)>>);

impl Progress for Heard {
    fn begin(&self, _: Step, _: &str) {}
    fn advance(&self, _: Step, _: u64, _: u64) {}
    fn said(&self, _: Step, _: &str) {}
    fn warn(&self, _: &str) {}
    fn end(&self, report: &StepReport) {
        self.0.lock().unwrap().push((report.step, report.outcome));
    }
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        bench.write_tar(&[]);
        bench.recipe("");
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A root with a kernel and `more` files.
    pub fn write_tar(&self, more: &[(&str, &[u8])]) {
        let kernel =
            fs::read(STUB).unwrap_or_else(|error| panic!("{error}: install the package systemd-boot-efi"));
        let modules = format!("usr/lib/modules/{VERSION}");
        let built_in =
            ["fs/squashfs/squashfs", "fs/overlayfs/overlay", "drivers/block/loop", "net/packet/af_packet"]
                .map(|name| format!("kernel/{name}.ko\n"))
                .concat();
        let config = "CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_ZSTD=y\nCONFIG_DEVTMPFS=y\nCONFIG_TMPFS=y\nCONFIG_PROC_FS=y\n\
            CONFIG_SYSFS=y\nCONFIG_BINFMT_ELF=y\nCONFIG_UNIX=y\nCONFIG_MODULES=y\nCONFIG_INET=y\nCONFIG_PACKET=y\n\
            CONFIG_OVERLAY_FS=y\nCONFIG_BLK_DEV_LOOP=y\nCONFIG_SQUASHFS=y\nCONFIG_SQUASHFS_ZSTD=y\nCONFIG_EFI_STUB=y\n\
            CONFIG_NET=y\n";
        let files: Vec<(String, &[u8])> = vec![
            (format!("boot/vmlinuz-{VERSION}"), &kernel),
            (format!("boot/config-{VERSION}"), config.as_bytes()),
            (format!("{modules}/modules.dep"), b"kernel/sound/beep.ko:\n"),
            (format!("{modules}/modules.builtin"), built_in.as_bytes()),
            (format!("{modules}/kernel/sound/beep.ko"), b"not chosen"),
            ("etc/os-release".into(), b"PRETTY_NAME=\"Test OS\"\n"),
            ("etc/passwd".into(), b"root:x:0:0::/root:/bin/sh\n"),
        ];
        let mut writer = Writer::new(fs::File::create(self.path("root.tar")).unwrap());
        let metadata = Metadata { mode: 0o644, mtime: 1_600_000_000, ..Metadata::default() };
        let more = more.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes));
        for (name, bytes) in files.into_iter().chain(more) {
            let size = bytes.len() as u64;
            writer.header(name.as_bytes(), &metadata, Written::File(size)).unwrap();
            writer.data(&mut &bytes[..], size).unwrap();
        }
        writer.finish().unwrap();
    }

    pub fn recipe(&self, more: &str) {
        let text = format!("name = 'image'\n{more}\n[root]\nsource = 'tar'\npath = 'root.tar'\n");
        fs::write(self.path("bootwright.toml"), text).unwrap();
    }

    pub fn build(&self) -> Result<(Report, Vec<(Step, Outcome)>), BuildError> {
        self.build_to(&self.path("image"), &self.path("cache"))
    }

    pub fn build_to(
        &self,
        output: &Path,
        cache: &Path,
    ) -> Result<(Report, Vec<(Step, Outcome)>), BuildError> {
        let recipe = Recipe::load(self.0.path()).unwrap();
        let options = Options {
            output: Some(output.to_owned()),
            cache: Some(cache.to_owned()),
            agent: b"the agent".to_vec(),
            epoch: Some(1_700_000_000),
            refresh: Refresh::Keep,
        };
        let heard = Heard::default();
        let report = build(&recipe, &options, &heard)?;
        Ok((report, heard.0.into_inner().unwrap()))
    }
}
