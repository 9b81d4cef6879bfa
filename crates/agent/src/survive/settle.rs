//! Letting go of the initial rootfs, and of rights.

use std::fs::{File, OpenOptions, create_dir_all, write};

use rustix::fs::Mode;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, chdir, chroot, set_dumpable_behavior, setrlimit, setsid, umask,
};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use super::SurviveError;

/// What a survivor sees as `/`: nothing. It lies in /run, which moves into the system.
const EMPTY: &str = "/run/bootwright/empty";

/// The user nobody, who owns no file.
const NOBODY: u32 = 65534;

/// What devices take: device-mapper, loop and NBD the first, NBD by netlink the second; PR_SET_IO_FLUSHER the third;
/// memory that is locked later, and the end of a system that has lost its root.
const DEVICES: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::SYS_RESOURCE)
    .union(CapabilitySet::IPC_LOCK)
    .union(CapabilitySet::SYS_BOOT);

/// What a survivor may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// To use block devices and to reboot: it is root with [these capabilities](DEVICES) alone, and the last to be
    /// killed when memory runs short, for the system lives by it. Its root is empty all the same. systemd spares it
    /// at the end.
    Devices,
    /// Nothing but what it has open: it is nobody and the first to be killed when memory runs short.
    Nobody,
}

impl Rights {
    /// oom_score_adj, see proc_pid_oom_score_adj(5).
    fn oom_score_adj(self) -> &'static str {
        match self {
            Self::Devices => "-1000",
            Self::Nobody => "500",
        }
    }
}

/// See [`Begun::settle`](super::Begun::settle).
pub fn settle(rights: Rights) -> Result<(), SurviveError> {
    let step = |step| move |error: rustix::io::Errno| SurviveError::Step(step, error.into());
    let open = |step| move |error| SurviveError::Step(step, error);
    // It fails for a process that leads a group already: then it has a session as good.
    let _ = setsid();
    let null = OpenOptions::new().read(true).write(true).open("/dev/null").map_err(open("/dev/null"))?;
    take_streams(&null).map_err(step("standard streams"))?;
    write("/proc/self/oom_score_adj", rights.oom_score_adj()).map_err(open("oom_score_adj"))?;
    lock_memory().map_err(step("locking the memory"))?;
    create_dir_all(EMPTY).map_err(open(EMPTY))?;
    chroot(EMPTY).map_err(step(EMPTY))?;
    chdir("/").map_err(step("the working directory"))?;
    umask(Mode::from_raw_mode(0o077));
    set_no_new_privs(true).map_err(step("no new privileges"))?;
    match rights {
        Rights::Devices => keep(DEVICES).map_err(step("giving up capabilities"))?,
        Rights::Nobody => become_nobody().map_err(step("giving up the rights of root"))?,
    }
    // Nobody reads the memory of a process by a file of /proc or by ptrace(2), unless he is root.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(step("not to be dumped"))
}

fn take_streams(null: &File) -> rustix::io::Result<()> {
    dup2_stdin(null)?;
    dup2_stdout(null)?;
    dup2_stderr(null)
}

/// What is there is read in now; what comes later is locked when it is first touched, so that the unused part of
/// a thread's stack takes no memory. The limit would otherwise count from the moment that root's rights are gone.
fn lock_memory() -> rustix::io::Result<()> {
    setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })?;
    mlockall(MlockAllFlags::CURRENT)?;
    mlockall(MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
}

/// The process has one thread: what that may do, those that it starts may.
fn keep(capabilities: CapabilitySet) -> rustix::io::Result<()> {
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: capabilities, permitted: capabilities, inheritable })
}

/// The process has one thread: its identity is that of the thread.
fn become_nobody() -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}
