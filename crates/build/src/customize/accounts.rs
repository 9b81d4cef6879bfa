//! Users and groups: passwd(5), shadow(5), group(5), gshadow(5) edited as text, other lines untouched.

use super::ChangeError;
use crate::recipe::User;
use crate::tree::{Content, EditError, Inode, Kind, Metadata, Tree, TreePath};

/// Ids that Debian and systemd leave to people.
const IDS: std::ops::RangeInclusive<u32> = 1000..=59_999;
/// Ids for groups of the system, counted down, as `addgroup --system` takes them.
const SYSTEM_IDS: std::ops::RangeInclusive<u32> = 100..=999;

/// A password field that no password matches, without locking the account for SSH keys.
const NO_PASSWORD: &str = "*";

/// Makes the user, or changes the one of that name.
pub(super) fn apply(tree: &mut Tree, user: &User, mtime: u64) -> Result<(), ChangeError> {
    let mut passwd = Table::read(tree, "/etc/passwd")?;
    let mut group = Table::read(tree, "/etc/group")?;
    let mut shadow = Table::read(tree, "/etc/shadow")?;
    let is_new = passwd.find(&user.name).is_none();
    if is_new {
        add(tree, user, &mut passwd, &mut group)?;
    } else {
        change(user, &mut passwd);
    }
    let days = mtime / 86_400;
    match (&user.password_hash, shadow.find(&user.name).is_some()) {
        (Some(hash), true) => shadow.set(&user.name, 1, hash),
        (None, true) => {}
        (hash, false) => {
            let hash = hash.as_deref().unwrap_or(NO_PASSWORD);
            shadow.lines.push(format!("{}:{hash}:{days}:0:99999:7:::", user.name));
        }
    }
    // Where passwd holds the password itself, shadow would not be asked.
    passwd.set(&user.name, 1, "x");
    for name in &user.groups {
        join(&mut group, name, &user.name)?;
    }
    passwd.write(tree, 0o644, mtime)?;
    group.write(tree, 0o644, mtime)?;
    shadow.write(tree, 0o640, mtime)?;
    follow_groups(tree, &group, mtime)?;
    home(tree, user, &passwd, mtime)
}

fn add(tree: &Tree, user: &User, passwd: &mut Table, group: &mut Table) -> Result<(), ChangeError> {
    let no_free_id = || ChangeError::NoFreeId(user.name.clone());
    let uid = match user.uid {
        Some(uid) => match passwd.lines.iter().find(|line| field(line, 2) == Some(&uid.to_string())) {
            Some(line) => {
                let other = field(line, 0).unwrap_or_default().to_owned();
                return Err(ChangeError::UidTaken { name: user.name.clone(), uid, other });
            }
            None => uid,
        },
        None => IDS.clone().find(|id| passwd.is_free(*id) && group.is_free(*id)).ok_or_else(no_free_id)?,
    };
    let gid = match group.find(&user.name).and_then(|line| field(line, 2)?.parse().ok()) {
        Some(gid) => gid,
        None => {
            let mut candidates = std::iter::once(uid).chain(IDS);
            let gid = candidates.find(|id| group.is_free(*id)).ok_or_else(no_free_id)?;
            group.lines.push(format!("{}:x:{gid}:", user.name));
            gid
        }
    };
    let home = user.home.as_ref().map_or_else(|| format!("/home/{}", user.name), ToString::to_string);
    let has_bash = tree.get(&tree.resolve(&path("/bin/bash")?)?).is_some();
    let shell = user.shell.as_deref().unwrap_or(if has_bash { "/bin/bash" } else { "/bin/sh" });
    passwd.lines.push(format!("{}:x:{uid}:{gid}::{home}:{shell}", user.name));
    Ok(())
}

fn change(user: &User, passwd: &mut Table) {
    if let Some(uid) = user.uid {
        passwd.set(&user.name, 2, &uid.to_string());
    }
    if let Some(shell) = &user.shell {
        passwd.set(&user.name, 6, shell);
    }
    if let Some(home) = &user.home {
        passwd.set(&user.name, 5, &home.to_string());
    }
}

/// Makes `user` a member of the group, which is made when missing.
fn join(group: &mut Table, name: &str, user: &str) -> Result<(), ChangeError> {
    let members = match group.find(name) {
        Some(line) => field(line, 3).unwrap_or_default().to_owned(),
        None => {
            let free = SYSTEM_IDS.rev().find(|id| group.is_free(*id));
            let gid = free.ok_or_else(|| ChangeError::NoFreeId(name.to_owned()))?;
            group.lines.push(format!("{name}:x:{gid}:"));
            String::new()
        }
    };
    if !members.split(',').any(|member| member == user) {
        let gap = if members.is_empty() { "" } else { "," };
        group.set(name, 3, &format!("{members}{gap}{user}"));
    }
    Ok(())
}

/// gshadow(5) repeats groups and members, where a root has it.
fn follow_groups(tree: &mut Tree, group: &Table, mtime: u64) -> Result<(), ChangeError> {
    let file = path("/etc/gshadow")?;
    if tree.get(&tree.resolve(&file)?).is_none() {
        return Ok(());
    }
    let mut gshadow = Table::read(tree, "/etc/gshadow")?;
    for line in &group.lines {
        let (Some(name), Some(members)) = (field(line, 0), field(line, 3)) else { continue };
        match gshadow.find(name) {
            Some(_) => gshadow.set(name, 3, members),
            None => gshadow.lines.push(format!("{name}:!::{members}")),
        }
    }
    gshadow.write(tree, 0o640, mtime)
}

/// The home directory with what `/etc/skel` has, and the SSH keys.
fn home(tree: &mut Tree, user: &User, passwd: &Table, mtime: u64) -> Result<(), ChangeError> {
    let malformed = || ChangeError::Malformed {
        path: passwd.path.clone(),
        line: passwd.find(&user.name).unwrap_or_default().to_owned(),
    };
    let line = passwd.find(&user.name).unwrap_or_default();
    let number = |column| field(line, column).and_then(|text| text.parse().ok()).ok_or_else(malformed);
    let (uid, gid) = (number(2)?, number(3)?);
    let home = path(field(line, 5).unwrap_or("/"))?;
    let own = |mode| Metadata { mode, uid, gid, ..Metadata::root(mtime) };
    if tree.get(&tree.resolve(&home)?).is_none() {
        tree.put(&home, Inode { metadata: own(0o700), kind: Kind::Directory })?;
        let skeleton = path("/etc/skel")?;
        let mut copies: Vec<(TreePath, Inode)> = Vec::new();
        for (path, inode) in tree.below(&skeleton) {
            let target = home.join(path.below(&skeleton).unwrap_or_default()).map_err(EditError::from)?;
            let metadata = Metadata { uid, gid, ..inode.metadata.clone() };
            copies.push((target, Inode { metadata, kind: inode.kind.clone() }));
        }
        for (target, inode) in copies {
            tree.put(&target, inode)?;
        }
    }
    if !user.ssh_keys.is_empty() {
        let directory = home.join(b".ssh").map_err(EditError::from)?;
        tree.put(&directory, Inode { metadata: own(0o700), kind: Kind::Directory })?;
        let text = user.ssh_keys.iter().map(|key| format!("{}\n", key.trim())).collect::<String>();
        let file = directory.join(b"authorized_keys").map_err(EditError::from)?;
        tree.put(&file, Inode { metadata: own(0o600), kind: Kind::File(Content::bytes(text.as_bytes())) })?;
    }
    Ok(())
}

/// A file of lines with fields between colons, the first one a name.
struct Table {
    path: TreePath,
    lines: Vec<String>,
}

impl Table {
    fn read(tree: &Tree, name: &str) -> Result<Self, ChangeError> {
        let path = path(name)?;
        let bytes = tree.read(&path)?.unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|error| ChangeError::Malformed {
            path: path.clone(),
            line: String::from_utf8_lossy(error.as_bytes()).chars().take(80).collect(),
        })?;
        Ok(Self { path, lines: text.lines().map(str::to_owned).collect() })
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.lines.iter().map(String::as_str).find(|line| field(line, 0) == Some(name))
    }

    fn is_free(&self, id: u32) -> bool {
        let id = id.to_string();
        !self.lines.iter().any(|line| field(line, 2) == Some(&id))
    }

    fn set(&mut self, name: &str, column: usize, value: &str) {
        for line in self.lines.iter_mut().filter(|line| field(line, 0) == Some(name)) {
            let mut fields: Vec<&str> = line.split(':').collect();
            if fields.len() <= column {
                fields.resize(column + 1, "");
            }
            if let Some(field) = fields.get_mut(column) {
                *field = value;
            }
            *line = fields.join(":");
        }
    }

    fn write(&self, tree: &mut Tree, mode: u32, mtime: u64) -> Result<(), ChangeError> {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        if tree.read(&self.path)?.as_deref() != Some(text.as_bytes()) {
            tree.write_text(&self.path, &text, mode, mtime)?;
        }
        Ok(())
    }
}

fn field(line: &str, column: usize) -> Option<&str> {
    line.split(':').nth(column)
}

fn path(text: &str) -> Result<TreePath, EditError> {
    Ok(text.parse()?)
}
