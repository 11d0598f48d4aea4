//! Connecting to a name that has several addresses: RFC 8305, "Happy Eyeballs Version 2".
//!
//! The addresses are tried one after the other, IPv6 and IPv4 by turns, and the next attempt begins
//! when one has failed, or after 250 ms, while those before it go on. The first connection wins;
//! the other attempts are dropped, which closes their sockets. So a network in which one family
//! leads nowhere costs a quarter of a second, and not the minutes after which a connect gives up.
//!
//! All attempts are polled by the one future of the connect, which works on any executor: there is
//! nothing to be computed in parallel.

use crate::net::address::{Target, failed_at, no_address};
use crate::time::{Sleep, sleep};
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The time between two attempts: the "Connection Attempt Delay" of RFC 8305, section 5.
pub(crate) const DELAY: Duration = Duration::from_millis(250);

/// Addresses in the order in which they are tried: the families by turns, beginning with that of
/// the first one, and those of one family in the order of the resolver (section 4, with a "First
/// Address Family Count" of one).
pub(crate) fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv4) else {
        return addresses;
    };
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|to| to.is_ipv4() == first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => return all,
            (one, other) => all.extend(one.into_iter().chain(other)),
        }
    }
}

/// Attempts that are under way.
struct Attempts<'a, F, A> {
    target: &'a Target,
    /// Those that have not begun, the next one last.
    left: Vec<SocketAddr>,
    begin: A,
    running: Vec<(SocketAddr, Pin<Box<F>>)>,
    /// The end of the time after the last one has begun.
    delay: Option<Sleep>,
    errors: Vec<io::Error>,
}

impl<F, A, T> Attempts<'_, F, A>
where
    A: FnMut(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    /// The first success, or `None` when all have failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            let mut at = 0;
            let before = self.errors.len();
            while let Some((address, attempt)) = self.running.get_mut(at) {
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(won)) => return Poll::Ready(Some(won)),
                    Poll::Ready(Err(error)) => {
                        let error = failed_at(error, "connect to", self.target, *address);
                        self.errors.push(error);
                        drop(self.running.remove(at));
                    }
                }
            }
            // With none left to begin nothing waits for that time.
            let over = match &mut self.delay {
                Some(delay) if !self.left.is_empty() => Pin::new(delay).poll(cx).is_ready(),
                _ => true,
            };
            // The first one, one after a failure, or when the time is over.
            if !over && self.errors.len() == before {
                return Poll::Pending;
            }
            let Some(next) = self.left.pop() else {
                return match self.running.is_empty() {
                    true => Poll::Ready(None),
                    // The last ones have all the time that they need.
                    false => Poll::Pending,
                };
            };
            self.running.push((next, Box::pin((self.begin)(next))));
            self.delay = Some(sleep(DELAY));
        }
    }
}

/// Connects to one of these addresses of a name, in their order; `begin` makes an attempt.
pub(crate) async fn connect<T, F>(
    target: &Target,
    mut addresses: Vec<SocketAddr>,
    begin: impl FnMut(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    addresses.reverse();
    let mut attempts = Attempts {
        target,
        left: addresses,
        begin,
        running: Vec::new(),
        delay: None,
        errors: Vec::new(),
    };
    match poll_fn(|cx| attempts.poll(cx)).await {
        Some(won) => Ok(won),
        None => Err(all_failed(target, attempts.errors)),
    }
}

/// The error of a target: that of its only attempt, or all of them in one.
fn all_failed(target: &Target, mut errors: Vec<io::Error>) -> io::Error {
    match errors.len() {
        0 => no_address(target),
        1 => errors.remove(0),
        _ => {
            let last = errors.len() - 1;
            io::Error::new(errors[last].kind(), Failures(errors))
        }
    }
}

/// The errors of several attempts, in the order in which they failed.
#[derive(Debug)]
struct Failures(Vec<io::Error>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{error}")?;
        }
        Ok(())
    }
}

impl Error for Failures {
    /// What the system said of the last one.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.last()?.get_ref()?.source()
    }
}
