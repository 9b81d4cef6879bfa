//! What tells one machine from another, and what must not be the same on all of them.

use super::ChangeError;
use crate::tree::{EditError, Inode, Kind, Tree, TreePath};

/// Makes SSH host keys at boot; the image has none, or every machine would have the same.
const SSH_KEYS_UNIT: &str = "\
[Unit]
Description=SSH host keys of this machine
Documentation=man:ssh-keygen(1)
Before=ssh.service sshd.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A
";

const SSH_KEYS_NAME: &str = "bootwright-ssh-keys.service";

/// Removes what belongs to one machine: the machine id, SSH host keys, the building host's resolver.
pub(super) fn reset(tree: &mut Tree, mtime: u64) -> Result<Vec<String>, ChangeError> {
    let mut warnings = Vec::new();
    let machine_id = path("/etc/machine-id")?;
    if tree.get(&machine_id).is_some() || has(tree, "/usr/lib/systemd/systemd")? {
        // Empty, not absent: systemd then makes one at boot and does not take it for a first boot.
        tree.write_text(&machine_id, "", 0o444, mtime)?;
    }
    let dbus = path("/var/lib/dbus/machine-id")?;
    if matches!(tree.get(&dbus), Some(Inode { kind: Kind::File(_), .. })) {
        tree.remove(&dbus);
        tree.put_link(&dbus, "/etc/machine-id", mtime)?;
    }
    let ssh = path("/etc/ssh")?;
    let is_host_key = |name: &[u8]| name.starts_with(b"ssh_host_") && name != b"ssh_host_";
    let keys: Vec<TreePath> =
        tree.below(&ssh).filter(|(path, _)| is_host_key(path.name())).map(|(path, _)| path.clone()).collect();
    keys.iter().for_each(|key| tree.remove(key));
    if !keys.is_empty() {
        warnings.push(format!(
            "{} SSH host keys of the source were left out: machines make their own",
            keys.len()
        ));
    }
    if has(tree, "/usr/sbin/sshd")? && has(tree, "/usr/bin/ssh-keygen")? {
        let unit = path(&format!("/etc/systemd/system/{SSH_KEYS_NAME}"))?;
        tree.write_text(&unit, SSH_KEYS_UNIT, 0o644, mtime)?;
        for service in ["ssh.service", "sshd.service"] {
            let wants = path(&format!("/etc/systemd/system/{service}.wants/{SSH_KEYS_NAME}"))?;
            tree.put_link(&wants, &format!("../{SSH_KEYS_NAME}"), mtime)?;
        }
    }
    Ok(warnings)
}

/// What mmdebstrap copies from the building host into a root so that packages can be installed.
pub fn forget_builder(tree: &mut Tree, mtime: u64) -> Result<(), ChangeError> {
    tree.remove(&path("/etc/hostname")?);
    let resolver = path("/etc/resolv.conf")?;
    tree.remove(&resolver);
    if has(tree, "/usr/lib/systemd/systemd-resolved")? {
        tree.put_link(&resolver, "../run/systemd/resolve/stub-resolv.conf", mtime)?;
    }
    Ok(())
}

/// `/etc/hostname`, and a line of `/etc/hosts` so that the name resolves without a network.
pub(super) fn host_name(tree: &mut Tree, name: &str, mtime: u64) -> Result<(), ChangeError> {
    tree.write_text(&path("/etc/hostname")?, &format!("{name}\n"), 0o644, mtime)?;
    let hosts = path("/etc/hosts")?;
    let text = tree.read(&hosts)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let mut text = text.unwrap_or_else(|| "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n".to_owned());
    let known = |line: &str| line.split_whitespace().skip(1).any(|word| word == name);
    if !text.lines().any(known) {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("127.0.1.1\t{name}\n"));
        tree.write_text(&hosts, &text, 0o644, mtime)?;
    }
    Ok(())
}

/// `LANG`, where systemd and where Debian's PAM look for it.
pub(super) fn locale(tree: &mut Tree, locale: &str, mtime: u64) -> Result<Option<String>, ChangeError> {
    let text = format!("LANG={locale}\n");
    tree.write_text(&path("/etc/locale.conf")?, &text, 0o644, mtime)?;
    if tree.get(&path("/etc/default")?).is_some() {
        tree.write_text(&path("/etc/default/locale")?, &text, 0o644, mtime)?;
    }
    let built_in = ["C", "POSIX", "C.UTF-8"].contains(&locale);
    let directory = locale.replace("UTF-8", "utf8");
    let present =
        has(tree, "/usr/lib/locale/locale-archive")? || has(tree, &format!("/usr/lib/locale/{directory}"))?;
    let missing =
        format!("the root has no locale {locale}: add the package locales-all, or make it in `script`");
    Ok((!built_in && !present).then_some(missing))
}

fn has(tree: &Tree, name: &str) -> Result<bool, ChangeError> {
    Ok(tree.get(&tree.resolve(&path(name)?)?).is_some())
}

fn path(text: &str) -> Result<TreePath, EditError> {
    Ok(text.parse()?)
}
