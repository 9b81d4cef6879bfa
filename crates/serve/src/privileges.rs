//! Root is needed to bind ports below 1024 and to pin sockets to an interface; afterwards it is given up.
//!
//! The system calls change one thread only, so this must happen while there is no other: threads that
//! are made later inherit.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{Gid, Resource, Rlimit, Uid, getegid, geteuid, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

/// Users that are tried when none is named: a package's own, then everybody's.
const DEFAULT_USERS: [&str; 2] = ["bootwright", "nobody"];

/// passwd(5).
const PASSWD: &str = "/etc/passwd";
/// user_namespaces(7).
const UID_MAP: &str = "/proc/self/uid_map";

/// A user to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// For messages.
    pub name: String,
    /// User.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// What became of the privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dropped {
    /// Root no more.
    Became(User),
    /// There were none.
    NotRoot,
    /// Root of a user namespace that has no other user: root means nothing outside of it.
    OnlyUser,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Became(user) => write!(f, "runs as user {} from here on", user.name),
            Self::NotRoot => f.write_str("runs as an ordinary user"),
            Self::OnlyUser => f.write_str("stays root of its user namespace, which has no other user"),
        }
    }
}

/// Why privileges cannot be given up.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// No such user.
    #[error("there is no user {0:?}: name another one with --user")]
    NoUser(String),
    /// A named user that only root can become.
    #[error("only root can become user {0}: run as root, or leave --user out")]
    NotRoot(String),
    /// The kernel refuses.
    #[error("cannot become user {name}")]
    Refused {
        /// The user.
        name: String,
        /// Why.
        source: io::Error,
    },
}

/// The user to become; `None` when there is nobody else to be.
pub fn target(named: Option<&str>) -> Result<Result<User, Dropped>, PrivilegeError> {
    let passwd = std::fs::read_to_string(PASSWD).unwrap_or_default();
    if !geteuid().is_root() {
        let same = |name: &str| find(&passwd, name).is_some_and(|user| user.uid == geteuid().as_raw());
        return match named {
            Some(name) if !same(name) => Err(PrivilegeError::NotRoot(name.to_owned())),
            _ => Ok(Err(Dropped::NotRoot)),
        };
    }
    let user = match named {
        Some(name) => find(&passwd, name).ok_or_else(|| PrivilegeError::NoUser(name.to_owned()))?,
        None => DEFAULT_USERS
            .iter()
            .find_map(|name| find(&passwd, name))
            .ok_or_else(|| PrivilegeError::NoUser("nobody".into()))?,
    };
    let map = std::fs::read_to_string(UID_MAP).unwrap_or_default();
    Ok(if is_mapped(&map, user.uid) { Ok(user) } else { Err(Dropped::OnlyUser) })
}

/// Whether root here is root of the whole system, not of a namespace only.
pub fn is_real_root() -> bool {
    let map = std::fs::read_to_string(UID_MAP).unwrap_or_default();
    is_mapped(&map, u32::MAX - 1)
}

/// Becomes `user` for good.
pub fn drop_to(user: User) -> Result<Dropped, PrivilegeError> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let become_it = || {
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)
    };
    let refused = |source| PrivilegeError::Refused { name: user.name.clone(), source };
    become_it().map_err(|error| refused(error.into()))?;
    if geteuid() != uid || getegid() != gid {
        return Err(refused(io::Error::other("the kernel did not do as it said")));
    }
    Ok(Dropped::Became(user))
}

/// Gives up every capability, also those that systemd or a user namespace gave, and gaining any by running
/// a program: this server runs none.
pub fn keep_none() {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    // Less than what was there cannot do harm; a kernel that refuses leaves us as we were.
    if let Err(error) = set_no_new_privs(true).and_then(|()| set_capabilities(None, sets)) {
        tracing::warn!("capabilities are not given up: {error}");
    }
}

/// Gives the state directory to `user`, if it holds nothing but what this server puts there.
pub fn give_state(directory: &Path, user: &User, ours: impl Fn(&str) -> bool) -> io::Result<()> {
    let mut entries = std::fs::read_dir(directory)?;
    let only_ours =
        entries.all(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(&ours)));
    let file = File::open(directory)?;
    if only_ours && file.metadata()?.uid() == 0 {
        rustix::fs::fchown(&file, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
    }
    Ok(())
}

/// Allows as many open files as the system lets us have: one for each connection.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Failing is no reason not to start: then fewer connections are served at once.
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::debug!("raising the limit of open files: {error}");
    }
}

/// Looks a user up by name or number. A number without an entry is its own group.
fn find(passwd: &str, name: &str) -> Option<User> {
    let number = name.parse::<u32>().ok();
    let entry = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let entry = fields.next()?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        (entry == name || number == Some(uid)).then(|| User { name: entry.to_owned(), uid, gid })
    });
    entry.or_else(|| number.map(|uid| User { name: name.to_owned(), uid, gid: uid }))
}

/// Lines of three numbers: first uid inside, first uid outside, how many.
fn is_mapped(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().filter_map(|text| text.parse::<u64>().ok());
        let (Some(inside), Some(_), Some(count)) = (numbers.next(), numbers.next(), numbers.next()) else {
            return false;
        };
        (inside..inside.saturating_add(count)).contains(&u64::from(uid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/:/usr/sbin/nologin\nbad\n";

    #[test]
    fn users_are_found_by_name_and_number() {
        let nobody = User { name: "nobody".into(), uid: 65534, gid: 65533 };
        assert_eq!(find(TEXT, "nobody"), Some(nobody.clone()));
        assert_eq!(find(TEXT, "65534"), Some(nobody));
        assert_eq!(find(TEXT, "7").map(|user| user.gid), Some(7));
        assert_eq!(find(TEXT, "absent"), None);
    }

    #[test]
    fn a_namespace_with_one_user_has_no_other() {
        assert!(is_mapped("         0          0 4294967295\n", 65534));
        assert!(!is_mapped("         0       1000          1\n", 65534));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", 65534));
        assert!(!is_mapped("", 0));
    }

    #[test]
    fn a_directory_with_other_peoples_files_is_not_given_away() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("letter"), "").unwrap();
        let user = User { name: "x".into(), uid: 12345, gid: 12345 };
        give_state(place.path(), &user, |name| name == "leases").unwrap();
        assert_ne!(std::fs::metadata(place.path()).unwrap().uid(), 12345);
    }
}
