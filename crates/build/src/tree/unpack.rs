use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::{Kind, Tree, TreePath};

impl Tree {
    /// Copies the files, directories and symbolic links below `from` to the host directory `to`, as the
    /// user who builds: names and bytes only, neither owners nor modes. For tools that want files.
    pub fn unpack(&self, from: &TreePath, to: &Path) -> io::Result<()> {
        std::fs::create_dir_all(to)?;
        for (path, inode) in self.below(from) {
            let relative = path.below(from).unwrap_or_default();
            let host = to.join(std::ffi::OsStr::from_bytes(relative));
            match &inode.kind {
                Kind::Directory => std::fs::create_dir_all(&host)?,
                Kind::Symlink(target) => {
                    std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &host)?;
                }
                Kind::File(content) => {
                    let copied = io::copy(&mut content.reader()?, &mut File::create(&host)?)?;
                    if copied != content.len() {
                        return Err(io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            format!("{path} was cut short"),
                        ));
                    }
                }
                Kind::Fifo | Kind::Socket | Kind::CharDevice(..) | Kind::BlockDevice(..) => {}
            }
        }
        Ok(())
    }
}
