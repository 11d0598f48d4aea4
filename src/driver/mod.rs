//! The driver: what an idle worker sleeps in.
