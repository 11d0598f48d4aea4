//! The loom twin of `src/sync`.
