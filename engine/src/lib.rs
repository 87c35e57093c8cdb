//! See FORMAT.md.
