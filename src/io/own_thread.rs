//! The thread of a standard stream: it is started when it is first needed, and nothing joins it.

use crate::sync::thread;
use std::fmt;
use std::io;
use std::process;

/// The process in which there is a thread.
#[derive(Default)]
pub(super) struct OwnThread(Option<u32>);

impl OwnThread {
    /// Starts the thread if there is none yet. In a process that was forked from its own it fails;
    /// the error says what the thread `does`.
    pub(super) fn start(
        &mut self,
        name: &str,
        does: fmt::Arguments<'_>,
        serve: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        match self.0 {
            None => {
                let builder = thread::Builder::new().name(format!("spinney-{name}"));
                builder.spawn(serve)?;
                self.0 = Some(process::id());
                Ok(())
            }
            Some(id) if id == process::id() => Ok(()),
            Some(_) => {
                let text = format!("the thread that {does} is in the parent of this process");
                Err(io::Error::other(text))
            }
        }
    }
}
