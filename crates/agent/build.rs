//! The static agent carries no tables for unwinding: a panic aborts, and PID 1 has no use for a backtrace.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=no-unwinding.ld");
    let features = var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    // Only the profile `agent` is linked so, where a panic aborts. CARGO_CFG_PANIC does not know of profiles.
    if features.split(',').any(|feature| feature == "crt-static") {
        let here = var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{here}/no-unwinding.ld");
    }
}
