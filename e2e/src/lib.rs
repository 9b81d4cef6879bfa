//! Whole-machine scenarios: see `tests/`, one behaviour per file.
