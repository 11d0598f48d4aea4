//! Why a request has no answer, and how its client is told.

use hyper::StatusCode;
use hyper::body::Bytes;
use spinney::Errors;
use spinney::serve::BodyError;
use std::fmt::{self, Write};
use std::io;

/// All errors of a request, a line each.
pub fn list(errors: &Errors<Error>) -> Bytes {
    let mut body = String::new();
    for entry in errors.entries() {
        let name = entry.name.unwrap_or("request");
        let later = match entry.after_cancel {
            true => " (while the request was ending)",
            false => "",
        };
        let _ = writeln!(body, "{name}: {}{later}", entry.error);
    }
    body.into()
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Error {
    NotFound,
    Method,
    Query(String),
    Failed(&'static str),
    Body(BodyError),
    Disk(io::Error),
}

impl Error {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Body(BodyError::TimedOut) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Failed(_) | Self::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is nothing here"),
            Self::Method => {
                f.write_str("only GET and HEAD are served, and PUT and POST of uploads")
            }
            Self::Query(why) => f.write_str(why),
            Self::Failed(why) => f.write_str(why),
            Self::Body(why) => why.fmt(f),
            Self::Disk(why) => write!(f, "cannot keep it: {why}"),
        }
    }
}

impl std::error::Error for Error {}
