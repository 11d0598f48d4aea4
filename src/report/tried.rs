//! Errors of the system that name the attempt.

use std::error::Error;
use std::fmt;
use std::io;

/// An error of the system, with the attempt. Its kind is that of the error.
#[derive(Debug)]
struct Tried {
    tried: String,
    error: io::Error,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.tried, self.error)
    }
}

impl Error for Tried {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The error of an attempt that is described by `tried`.
pub(crate) fn failed(error: io::Error, tried: impl fmt::Display) -> io::Error {
    let tried = tried.to_string();
    io::Error::new(error.kind(), Tried { tried, error })
}
