//! The servers that `interop/run` starts. A test that needs one is ignored elsewhere.

use std::env;

/// Where Redis listens, as `host:port`.
pub(crate) fn redis() -> String {
    env::var("INTEROP_REDIS").expect("`interop/run` starts a Redis")
}

/// Where PostgreSQL listens, as `host:port`. Its user and its database are called `postgres`.
pub(crate) fn postgres() -> String {
    env::var("INTEROP_POSTGRES").expect("`interop/run` starts a PostgreSQL")
}

/// Where NATS listens, as `host:port`.
pub(crate) fn nats() -> String {
    env::var("INTEROP_NATS").expect("`interop/run` starts a NATS")
}
