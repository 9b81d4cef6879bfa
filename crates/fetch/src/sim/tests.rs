//! Bounds on what the policy takes, in time and in bytes of the origin.

use super::*;
