//! The init of the new root.

use std::fs::File;

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, openat2};

use super::BootError;

/// What the kernel tries, and where systemd lies.
const USUAL: &[&str] =
    &["/sbin/init", "/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/etc/init", "/bin/init"];

/// Finds the program that becomes PID 1 of the system in `root`: what `init=` says, or the usual ones.
pub fn find(root: &str, requested: Option<&str>) -> Result<String, BootError> {
    let directory = File::open(root).map_err(super::file_error(root))?;
    let runs = |path: &str| is_program(&directory, path);
    match requested {
        Some(path) if runs(path) => Ok(path.to_owned()),
        Some(path) => Err(BootError::NamedInit(path.to_owned())),
        None => match USUAL.iter().find(|path| runs(path)) {
            Some(path) => Ok((*path).to_owned()),
            None => Err(BootError::NoInit(USUAL.join(", "))),
        },
    }
}

/// Links are followed inside the new root: `/sbin/init` is often an absolute one.
fn is_program(root: &File, path: &str) -> bool {
    // openat2 takes the root itself for `/`, whatever the links say.
    let opened = openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT);
    let stat = opened.and_then(fstat);
    stat.is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG && stat.st_mode & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn init_is_found_through_an_absolute_link_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let find = |requested| find(root.path().to_str().unwrap(), requested);
        create_dir_all(at("sbin")).unwrap();
        create_dir_all(at("opt/only-here")).unwrap();
        symlink("/opt/only-here/init", at("sbin/init")).unwrap();
        assert!(matches!(find(None), Err(BootError::NoInit(_))));
        write(at("opt/only-here/init"), "#!/bin/sh\n").unwrap();
        assert!(matches!(find(None), Err(BootError::NoInit(_))), "not executable");
        set_permissions(at("opt/only-here/init"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find(None).unwrap(), "/sbin/init");
        assert_eq!(find(Some("/opt/only-here/init")).unwrap(), "/opt/only-here/init");
        assert!(matches!(find(Some("/bin/sh")), Err(BootError::NamedInit(_))));
    }
}
