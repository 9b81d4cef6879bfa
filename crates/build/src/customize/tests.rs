use super::*;
use crate::recipe::{FileChange, FileContent, Owner, User};
use crate::tree::{Content, Inode, Kind, Metadata};

const MTIME: u64 = 1_700_000_000;

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

/// A root with the files that the changes read.
fn root(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    let basic = [
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n"),
        ("/etc/shadow", "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n"),
        ("/etc/group", "root:x:0:\ndaemon:x:1:\nsudo:x:27:\n"),
        ("/etc/gshadow", "root:*::\nsudo:*::\n"),
        ("/bin/bash", ""),
        ("/etc/skel/.profile", "hello"),
    ];
    for (name, text) in basic.iter().chain(files) {
        let metadata = Metadata { mode: 0o640, ..Metadata::default() };
        tree.put(&path(name), Inode { metadata, kind: Kind::File(Content::bytes(text.as_bytes())) }).unwrap();
    }
    tree
}

fn text(tree: &Tree, name: &str) -> String {
    String::from_utf8(tree.read(&path(name)).unwrap().unwrap_or_default()).unwrap()
}

fn target(tree: &Tree, name: &str) -> Option<String> {
    match &tree.get(&path(name))?.kind {
        Kind::Symlink(target) => Some(String::from_utf8(target.clone()).unwrap()),
        _ => None,
    }
}

fn user(name: &str) -> User {
    User {
        name: name.into(),
        uid: None,
        groups: vec![],
        ssh_keys: vec![],
        password_hash: None,
        shell: None,
        home: None,
    }
}

#[test]
fn a_new_user_has_an_id_a_group_a_home_and_keys() {
    let mut tree = root(&[]);
    let changes = Changes {
        users: vec![User {
            groups: vec!["sudo".into(), "wheel".into()],
            ssh_keys: vec!["ssh-ed25519 AAAA me".into()],
            ..user("alice")
        }],
        ..Changes::default()
    };
    apply(&mut tree, &changes, MTIME).unwrap();
    assert!(text(&tree, "/etc/passwd").ends_with("alice:x:1000:1000::/home/alice:/bin/bash\n"));
    assert!(text(&tree, "/etc/shadow").ends_with("alice:*:19675:0:99999:7:::\n"));
    let group = text(&tree, "/etc/group");
    assert!(group.contains("sudo:x:27:alice\n") && group.contains("wheel:x:999:alice\n"), "{group}");
    assert!(group.contains("alice:x:1000:\n"), "{group}");
    assert!(text(&tree, "/etc/gshadow").contains("sudo:*::alice\n"));
    assert_eq!(text(&tree, "/home/alice/.ssh/authorized_keys"), "ssh-ed25519 AAAA me\n");
    assert_eq!(text(&tree, "/home/alice/.profile"), "hello");
    for (name, mode) in
        [("/home/alice", 0o700), ("/home/alice/.ssh", 0o700), ("/home/alice/.ssh/authorized_keys", 0o600)]
    {
        let metadata = &tree.get(&path(name)).unwrap().metadata;
        assert_eq!((metadata.uid, metadata.gid, metadata.mode), (1000, 1000, mode), "{name}");
    }
    assert_eq!(tree.get(&path("/etc/shadow")).unwrap().metadata.mode, 0o640);
}

#[test]
fn an_existing_user_keeps_what_is_not_changed() {
    let mut tree = root(&[]);
    let changes = Changes {
        users: vec![User { password_hash: Some(String::new()), ..user("root") }],
        ..Changes::default()
    };
    apply(&mut tree, &changes, MTIME).unwrap();
    assert!(text(&tree, "/etc/shadow").starts_with("root::19000:0:99999:7:::\n"));
    assert!(text(&tree, "/etc/passwd").starts_with("root:x:0:0:root:/root:/bin/bash\n"));
}

#[test]
fn an_id_that_is_taken_is_refused() {
    let mut tree = root(&[]);
    let changes = Changes { users: vec![User { uid: Some(1), ..user("bob") }], ..Changes::default() };
    let error = apply(&mut tree, &changes, MTIME).unwrap_err();
    assert_eq!(error.to_string(), "the user bob cannot have the id 1: daemon has it");
}

#[test]
fn units_are_enabled_as_their_install_section_says() {
    let mut tree = root(&[
        (
            "/usr/lib/systemd/system/web.service",
            "[Unit]\nWantedBy=no.target\n[Install]\nWantedBy=multi-user.target\nAlias=www.service\nAlso=web.socket\n",
        ),
        ("/usr/lib/systemd/system/web.socket", "[Install]\nWantedBy=sockets.target\n"),
        (
            "/usr/lib/systemd/system/getty@.service",
            "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n",
        ),
        ("/usr/lib/systemd/system/plain.service", "[Service]\n"),
    ]);
    let enable = ["web.service", "getty@ttyS1.service", "getty@.service"].map(str::to_owned).to_vec();
    let changes = Changes { enable, mask: vec!["apt.timer".into()], ..Changes::default() };
    apply(&mut tree, &changes, MTIME).unwrap();
    let web = Some("/usr/lib/systemd/system/web.service".to_owned());
    assert_eq!(target(&tree, "/etc/systemd/system/multi-user.target.wants/web.service"), web);
    assert_eq!(target(&tree, "/etc/systemd/system/www.service"), web);
    assert!(target(&tree, "/etc/systemd/system/sockets.target.wants/web.socket").is_some());
    let getty = Some("/usr/lib/systemd/system/getty@.service".to_owned());
    assert_eq!(target(&tree, "/etc/systemd/system/getty.target.wants/getty@ttyS1.service"), getty);
    assert_eq!(target(&tree, "/etc/systemd/system/getty.target.wants/getty@tty1.service"), getty);
    assert_eq!(target(&tree, "/etc/systemd/system/apt.timer").as_deref(), Some("/dev/null"));
    for (unit, wrong) in [("plain.service", "no [Install] section"), ("absent.service", "no unit")] {
        let changes = Changes { enable: vec![unit.into()], ..Changes::default() };
        let error = apply(&mut tree, &changes, MTIME).unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}

#[test]
fn what_belongs_to_one_machine_is_not_in_the_image() {
    let mut tree = root(&[
        ("/etc/machine-id", "0123456789abcdef\n"),
        ("/var/lib/dbus/machine-id", "0123456789abcdef\n"),
        ("/etc/ssh/ssh_host_ed25519_key", "secret"),
        ("/etc/ssh/ssh_config", "kept"),
        ("/usr/sbin/sshd", ""),
        ("/usr/bin/ssh-keygen", ""),
    ]);
    let warnings = apply(&mut tree, &Changes::default(), MTIME).unwrap();
    assert!(warnings[0].contains("1 SSH host keys"), "{warnings:?}");
    assert_eq!(text(&tree, "/etc/machine-id"), "");
    assert!(tree.get(&path("/etc/machine-id")).is_some());
    assert_eq!(target(&tree, "/var/lib/dbus/machine-id").as_deref(), Some("/etc/machine-id"));
    assert!(tree.get(&path("/etc/ssh/ssh_host_ed25519_key")).is_none());
    assert_eq!(text(&tree, "/etc/ssh/ssh_config"), "kept");
    assert!(
        text(&tree, "/etc/systemd/system/ssh.service.wants/bootwright-ssh-keys.service")
            .contains("ssh-keygen -A")
    );
}

#[test]
fn host_name_and_locale_are_written_where_they_are_read() {
    let mut tree = root(&[("/etc/hosts", "127.0.0.1 localhost")]);
    let changes =
        Changes { hostname: Some("node".into()), locale: Some("xx_YY.UTF-8".into()), ..Changes::default() };
    let warnings = apply(&mut tree, &changes, MTIME).unwrap();
    assert_eq!(text(&tree, "/etc/hostname"), "node\n");
    assert_eq!(text(&tree, "/etc/hosts"), "127.0.0.1 localhost\n127.0.1.1\tnode\n");
    assert_eq!(text(&tree, "/etc/locale.conf"), "LANG=xx_YY.UTF-8\n");
    assert!(warnings[0].contains("xx_YY.UTF-8"), "{warnings:?}");
}

#[test]
fn files_belong_to_whom_the_root_knows() {
    let file = |owner: &str| FileChange {
        path: path("/a"),
        content: FileContent::Text("x".into()),
        mode: Some(0o600),
        owner: Some(Owner { user: owner.into(), group: Some("sudo".into()) }),
    };
    let mut tree = root(&[]);
    apply(&mut tree, &Changes { files: vec![file("daemon")], ..Changes::default() }, MTIME).unwrap();
    let metadata = &tree.get(&path("/a")).unwrap().metadata;
    assert_eq!((metadata.uid, metadata.gid, metadata.mode, metadata.mtime), (1, 27, 0o600, 1_700_000_000));
    let error = apply(&mut tree, &Changes { files: vec![file("ghost")], ..Changes::default() }, MTIME);
    let expected = "/a shall belong to \"ghost\", and /etc/passwd of the root has no such name";
    assert_eq!(error.unwrap_err().to_string(), expected);
}

#[test]
fn a_directory_laid_over_the_root_belongs_to_root_and_changes_no_directory() {
    let overlay = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(overlay.path().join("etc")).unwrap();
    std::fs::write(overlay.path().join("etc/new"), "new").unwrap();
    let mut tree = root(&[]);
    let before = tree.get(&path("/etc")).unwrap().metadata.clone();
    let change = crate::recipe::TreeChange { from: overlay.path().into(), path: TreePath::ROOT, owner: None };
    apply(&mut tree, &Changes { trees: vec![change], ..Changes::default() }, MTIME).unwrap();
    assert_eq!(tree.get(&path("/etc")).unwrap().metadata, before);
    let metadata = &tree.get(&path("/etc/new")).unwrap().metadata;
    assert_eq!((metadata.uid, metadata.gid), (0, 0));
    assert!(metadata.mtime <= MTIME as i64);
}

#[test]
fn a_script_changes_the_root_and_devices_stay() {
    // A root that can run a shell: the host's own, static or with its libraries.
    let mut tree = Tree::default();
    for name in ["/bin/sh", "/proc/.keep", "/dev/.keep", "/etc/file"] {
        let metadata = Metadata { mode: 0o644, ..Metadata::default() };
        tree.put(&path(name), Inode { metadata, kind: Kind::File(Content::bytes(&b""[..])) }).unwrap();
    }
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    let ldd = std::process::Command::new("ldd").arg(&shell).output().expect("ldd of the package libc-bin");
    let listing = String::from_utf8(ldd.stdout).unwrap();
    let libraries = listing.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    for (from, to) in libraries.map(|path| (path.clone(), path)).chain([(shell, "/bin/sh".into())]) {
        let content = Content::host(&from, &std::fs::metadata(&from).unwrap());
        let metadata = Metadata { mode: 0o755, ..Metadata::default() };
        tree.put(&path(to.to_str().unwrap()), Inode { metadata, kind: Kind::File(content) }).unwrap();
    }
    let device =
        Inode { metadata: Metadata { mode: 0o666, ..Metadata::default() }, kind: Kind::CharDevice(1, 3) };
    tree.put(&path("/dev/null"), device).unwrap();
    tree.get_mut(&path("/etc/file")).unwrap().metadata.uid = 42;

    let work = tempfile::tempdir().unwrap();
    let result = work.path().join("result.tar");
    let inner = tempfile::tempdir_in(work.path()).unwrap();
    let said = std::sync::Mutex::new(Vec::new());
    let heard = |line: &str| said.lock().unwrap().push(line.to_owned());
    let text_of_script = "echo made > /etc/made; echo told; echo gone > /dev/null";
    let ran = script::run(&tree, text_of_script, (inner.path(), &result), None, &heard);
    ran.unwrap_or_else(|error| panic!("{error:?}: {:?}", said.lock().unwrap()));
    assert!(said.lock().unwrap().contains(&"told".to_owned()));

    let backing = crate::tree::Backing::new(std::fs::File::open(&result).unwrap()).unwrap();
    let mut after = Tree::from_tar(&backing).unwrap();
    script::put_back(&tree, &mut after).unwrap();
    assert_eq!(text(&after, "/etc/made"), "made\n");
    assert_eq!(after.get(&path("/etc/file")).unwrap().metadata.uid, 42);
    assert!(matches!(after.get(&path("/dev/null")).unwrap().kind, Kind::CharDevice(1, 3)));
    assert!(!inner.path().join("root").exists(), "the unpacked root is left behind");

    let failed =
        script::run(&tree, "echo why >&2; exit 7", (inner.path(), &result), None, &|_| ()).unwrap_err();
    let script::ScriptError::Run(crate::tool::ToolError::Failed { last_words, .. }) = failed else {
        panic!("{failed:?}")
    };
    assert!(last_words.contains("why"), "{last_words}");
}
