//! PID 1 of a machine that boots an image.
fn main() {}
