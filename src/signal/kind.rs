//! The kinds of signals, by their numbers.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A kind of signal, such as `SIGTERM`.
///
/// # Examples
///
/// ```
/// use spinney::signal::Signal;
///
/// assert_eq!(Signal::TERM.to_string(), "SIGTERM");
/// assert_eq!(Signal::from_raw(Signal::TERM.as_raw()), Some(Signal::TERM));
/// assert_eq!(Signal::from_raw(0), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signal(rustix::process::Signal);

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident = $theirs:ident;)*) => {
        impl Signal {
            $($(#[$doc])* pub const $name: Self = Self(rustix::process::Signal::$theirs);)*

            fn name(self) -> Option<&'static str> {
                $(if self == Self::$name {
                    return Some(concat!("SIG", stringify!($name)));
                })*
                None
            }
        }
    };
}

signals! {
    /// A terminal has gone; by custom a daemon reads its configuration again.
    HUP = HUP;
    /// Ctrl-C at a terminal.
    INT = INT;
    /// Ctrl-\ at a terminal.
    QUIT = QUIT;
    /// A process calls `abort`.
    ABRT = ABORT;
    /// Ends a process. It cannot be heard.
    KILL = KILL;
    /// For programs to use as they like.
    USR1 = USR1;
    /// For programs to use as they like.
    USR2 = USR2;
    /// A write to a pipe that is not read any more. Rust programs ignore it.
    PIPE = PIPE;
    /// A timer of `alarm` is over.
    ALRM = ALARM;
    /// A request to end.
    TERM = TERM;
    /// A child process has stopped or ended.
    CHLD = CHILD;
    /// A process goes on that was stopped.
    CONT = CONT;
    /// Stops a process. It cannot be heard.
    STOP = STOP;
    /// Ctrl-Z at a terminal.
    TSTP = TSTP;
    /// A read from the terminal by a process in the background.
    TTIN = TTIN;
    /// A write to the terminal by a process in the background.
    TTOU = TTOU;
    /// A terminal has another size.
    WINCH = WINCH;
}

impl Signal {
    /// The signal of this number, unless there is none with a name. Those for real time have none.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::signal::Signal;
    ///
    /// assert_eq!(Signal::from_raw(9), Some(Signal::KILL));
    /// ```
    #[must_use]
    pub const fn from_raw(number: i32) -> Option<Self> {
        match rustix::process::Signal::from_named_raw(number) {
            Some(signal) => Some(Self(signal)),
            None => None,
        }
    }

    /// Its number.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::signal::Signal;
    ///
    /// assert_eq!(Signal::KILL.as_raw(), 9);
    /// ```
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0.as_raw()
    }

    #[cfg(feature = "process")]
    pub(crate) fn inner(self) -> rustix::process::Signal {
        self.0
    }
}

impl Hash for Signal {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.as_raw().hash(hasher);
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.as_raw()),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
