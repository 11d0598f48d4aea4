//! What a server has done: counters that are always on, and the report at its end.

use crate::pool::metrics::Counter;
use crate::report::failure::Straggler;
use std::{fmt, io};

macro_rules! sums {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The sums of a server, which all threads add to.
        #[derive(Debug, Default)]
        pub(super) struct Sums {
            $(pub(super) $name: Counter,)*
        }

        impl Sums {
            pub(super) fn counts(&self) -> Counts {
                Counts { $($name: self.$name.get(),)* }
            }
        }

        /// How many connections and requests a server has met, and what became of them.
        ///
        /// Sums since its start, which only go up.
        ///
        /// # Examples
        ///
        /// ```
        /// let counts = spinney::serve::Counts::default();
        /// assert_eq!(counts.requests, counts.answered + counts.cut);
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }
    };
}

sums! {
    /// Connections that were accepted.
    connections,
    /// Connections that were closed at once: their address had as many as it may have.
    refused_connections,
    /// Connections that broke: nonsense instead of HTTP, a handshake that failed, a client that was
    /// too slow or has gone in the middle.
    broken_connections,
    /// Connections that were cut before they had ended.
    cut_connections,
    /// Connections on which something panicked beside a request. The runtime's hook was told.
    panicked_connections,
    /// Times that the system gave no connection.
    accept_errors,
    /// Requests that came in.
    requests,
    /// Requests whose answer was handed over to the end, whatever it says.
    answered,
    /// Requests without a whole answer: their client has gone, or the server ended.
    cut,
    /// Answers 503 because of too many requests in flight.
    overloaded,
    /// Answers that say that a deadline is over: 503 by that of the server, and those of
    /// [`Deadlines`](crate::serve::Deadlines).
    expired,
    /// Answers 500 because of a panic.
    panicked,
    /// Answers 500 because the service returned an error.
    failed,
}

/// How a server ended.
///
/// # Examples
///
/// ```
/// use spinney::serve::Ending;
///
/// fn exit_code(ending: Ending) -> u8 {
///     u8::from(ending != Ending::Drained)
/// }
/// assert_eq!(exit_code(Ending::Forced), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// All connections ended by themselves, after their answers.
    Drained,
    /// The time to drain was over, and what was left was cut and joined.
    Cancelled,
    /// It was forced to end, or what was cut did not end in time: the enclosing group joins it.
    Forced,
}

/// What a server says when it has ended: [`Server::serve`](crate::serve::Server::serve).
///
/// # Examples
///
/// ```
/// fn log(report: &spinney::serve::Report) {
///     println!("{report}");
///     for task in &report.stragglers {
///         println!("still there: {task}");
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// Connections and requests.
    pub counts: Counts,
    /// What still ran when it was forced to end, if it was: tasks that were suspended at least
    /// once.
    pub stragglers: Vec<Straggler>,
    /// Why the listener could not go on, if that was why the server stopped.
    pub listener: Option<io::Error>,
}

impl fmt::Display for Report {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            connections,
            requests,
            answered,
            cut,
            ..
        } = self.counts;
        let how = match self.ending {
            Ending::Drained => "drained",
            Ending::Cancelled => "the time to drain was over",
            Ending::Forced => "forced",
        };
        write!(
            f,
            "{how}: {connections} connections, {requests} requests, {answered} answered, {cut} cut"
        )?;
        match self.stragglers.len() {
            0 => Ok(()),
            left => write!(f, ", {left} tasks still there"),
        }
    }
}
