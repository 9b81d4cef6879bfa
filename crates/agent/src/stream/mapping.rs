//! The device of the stream: network block device and mapped device, and the file that takes the stream's place.
//!
//! The kernel reads from a device while it is made or changed, and those reads are ours to answer: every step has a
//! thread of its own.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tracing::{debug, info};

use super::blocks::{Blocks, BlocksError};
use super::prepared::Prepared;
use crate::boot::device_mapper::{Mapped, Table};
use crate::boot::{BootError, Number};
use crate::failure::Failure;

/// The name of the mapped device.
const NAME: &str = "bootwright-stream";

/// The task that answers the kernel.
pub type Serving = JoinHandle<Result<(), BlocksError>>;

/// Makes the device, whose reads `blocks` answers.
pub async fn map(prepared: &Arc<Prepared>, blocks: &Arc<Blocks>) -> Result<(Mapped, Serving), Failure> {
    let failed = |error: io::Error| Failure::of("the stream's socket", &error);
    let (kernel, ours) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let ours = UnixStream::from_std(ours).map_err(failed)?;
    let size = prepared.manifest.size;
    let step = |(step, error): (&str, io::Error)| Failure::of(step, &error);
    prepared.nbd.connect(&kernel, size).map_err(step)?;
    let running = Arc::clone(prepared);
    thread::spawn(move || {
        let result = running.nbd.run();
        // The kernel has a reference of its own as long as it runs.
        drop(kernel);
        debug!("the network block device has ended: {result:?}");
    });
    let serving = tokio::spawn(Arc::clone(blocks).serve(ours));
    let making = Arc::clone(prepared);
    let mapped = tokio::task::spawn_blocking(move || {
        making.nbd.wait_for_size(size).map_err(step)?;
        let number = Number::of(making.nbd.file()).map_err(|error| step(("fstat", error)))?;
        let mapped = making.mapper.create(NAME, "", &Table::linear(number, size));
        mapped.map_err(|error| Failure::of("the stream's device", &error))
    });
    let mapped = mapped.await.map_err(|error| Failure::of("making the device", &error))??;
    info!("streaming {}: {} on {}", prepared.manifest.file, mapped.path(), prepared.nbd.path);
    Ok((mapped, serving))
}

/// Puts the complete file in the place of the stream, and gives the device that it has become.
pub async fn exchange(prepared: &Arc<Prepared>, mapped: Mapped) -> Result<String, Failure> {
    const DOING: &str = "exchanging the device";
    let prepared = Arc::clone(prepared);
    let exchanged = tokio::task::spawn_blocking(move || {
        let device = prepared.complete.attach()?;
        mapped.load(&Table::linear(device.number, prepared.manifest.size))?;
        Ok(device.path)
    });
    let exchanged = exchanged.await.map_err(|error| Failure::of(DOING, &error))?;
    exchanged.map_err(|error: BootError| Failure::of(DOING, &error))
}
