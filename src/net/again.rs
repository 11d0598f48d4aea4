//! Tries that are repeated by time. Two calls on Unix sockets can fail with `WouldBlock` for a
//! reason that lies with the other end, and the system makes no event when that changes: a connect
//! to a listener whose queue is full, and a datagram for a receiver whose queue others have filled.
//! A call that blocks would sleep until there is room; this is as near to it as can be.
//!
//! The sender of a datagram has events all the same. Where its own buffer was full there is one
//! when its peer has received, which is worth a try. But Linux also makes one for each try that
//! finds the receiver's queue full: the datagram took its place in the sender's buffer first, and
//! gives it back. The two cannot be told apart, and tries by such events would follow each other
//! for ever. So there is one try by event in each pause.

use crate::poll::budget;
use crate::time::sleep;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// The first pause; each further one is twice as long. Queues are a few to a few hundred long, and
/// a receiver that is awake empties one in about that time.
const FIRST: Duration = Duration::from_millis(1);

/// The longest one: what a wait is late by at most, and ten tries a second cost nothing.
const LONGEST: Duration = Duration::from_millis(100);

/// Calls `op` until it would not block: after each pause, and once in each when `event` is ready,
/// which may be never.
pub(crate) async fn until_done<R, E: Future>(
    mut op: impl FnMut() -> io::Result<R>,
    event: impl Fn() -> E,
) -> io::Result<R> {
    let mut pause = FIRST;
    let mut by_event = false;
    loop {
        poll_fn(budget::spend).await;
        match op() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            done => return done,
        }
        let mut event = pin!(event());
        let mut over = pin!(sleep(pause));
        by_event = poll_fn(|cx| {
            // The event after a try by event may be of its own making.
            if !by_event && event.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            over.as_mut().poll(cx).map(|()| false)
        })
        .await;
        if !by_event {
            pause = (2 * pause).min(LONGEST);
        }
    }
}
