//! PID 1: small, so that it does not fail. See the crate's head for the division of labour.

mod attempts;
mod mounts;
mod on_failure;
mod panic_timeout;
mod switch_root;

use std::convert::Infallible;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use bootwright_image::cmdline::OnFailure;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use tracing::{error, info};

use crate::handover::{HandOver, MAX_MESSAGE};
use crate::instructions;
use crate::log::{self, Verbosity};
use crate::report;
use crate::work;

use panic_timeout::PanicTimeout;

/// Runs the machine. Never returns: a PID 1 that ends takes the kernel with it.
pub fn run() -> ! {
    let mounted = mounts::early();
    let panic_timeout = PanicTimeout::set();
    let instructions = instructions::read();
    let verbosity = if instructions.options.debug { Verbosity::Debug } else { Verbosity::Normal };
    log::start(verbosity);
    let on_failure = instructions.options.on_failure;
    std::panic::set_hook(Box::new(move |panic| {
        error!("PID 1 failed: {panic}");
        on_failure::act_for_good(on_failure);
    }));
    for problem in mounted {
        error!("{problem}");
    }
    info!("agent {} is up{}", env!("CARGO_PKG_VERSION"), instructions.greeting());
    loop {
        let next = supervise_worker();
        if next != HandOver::Failed {
            panic_timeout.restore();
        }
        carry_out(next, on_failure);
        info!("once more");
    }
}

/// Returns when somebody in a rescue shell wants another boot.
fn carry_out(next: HandOver, on_failure: OnFailure) {
    let result: Result<Infallible, String> = match next {
        HandOver::SwitchRoot { root, init } => {
            attempts::forget();
            switch_root::switch_root(&root, &init).map_err(|error| crate::failure::chain(&error))
        }
        HandOver::Kexec => {
            attempts::forget();
            let reboot = rustix::system::reboot(rustix::system::RebootCommand::Kexec);
            Err(match reboot {
                Ok(()) => "the kernel came back from reboot(2)".to_owned(),
                Err(error) => format!("starting the loaded kernel: {error}"),
            })
        }
        HandOver::Reboot => {
            attempts::forget();
            on_failure::restart()
        }
        HandOver::Poweroff => {
            attempts::forget();
            on_failure::switch_off()
        }
        HandOver::Failed => return on_failure::act(on_failure),
    };
    let Err(cause) = result;
    error!("{cause}");
    on_failure::act(on_failure);
}

/// Starts the worker, waits for it, and gives what it hands over.
fn supervise_worker() -> HandOver {
    let spawned = Command::new("/proc/self/exe")
        .arg0("bootwright-agent")
        .arg(work::ROLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut worker = match spawned {
        Ok(worker) => worker,
        Err(error) => {
            error!("starting the worker: {error}: is /proc mounted?");
            return HandOver::Failed;
        }
    };
    let mut output = Vec::new();
    if let Some(pipe) = worker.stdout.take()
        && let Err(error) = pipe.take(MAX_MESSAGE).read_to_end(&mut output)
    {
        error!("reading from the worker: {error}");
    }
    let ended = reap_until(&worker);
    HandOver::from_output(&output).unwrap_or_else(|| {
        let cause = match ended {
            Some(status) => match status.terminating_signal() {
                Some(libc::SIGKILL) => {
                    "the agent's worker was killed, most likely for want of memory".to_owned()
                }
                Some(signal) => format!("the agent's worker died of signal {signal}"),
                None => format!("the agent's worker ended with status {:?}", status.exit_status()),
            },
            None => "the agent's worker is gone".to_owned(),
        };
        error!("{cause}");
        report::in_a_process_of_its_own(&cause);
        HandOver::Failed
    })
}

/// Takes in every child that ends, as PID 1 must, until the worker is among them.
fn reap_until(worker: &Child) -> Option<WaitStatus> {
    let worker = Pid::from_child(worker);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == worker => return Some(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}
