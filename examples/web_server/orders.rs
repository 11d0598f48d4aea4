//! When to stop: orders that come from signals, or from whoever else holds the other end.

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::convert::Infallible;
use std::{io, process, thread};

/// Two orders. Each is given by dropping its [`Order`]: nothing is ever sent, and any number of tasks can wait.
pub struct Orders {
    stop: Receiver<Infallible>,
    force: Receiver<Infallible>,
}

/// The right to give an order.
pub type Order = Sender<Infallible>;

impl Orders {
    /// Orders, and the rights to give them: to stop, and to do so at once.
    pub fn new() -> (Self, [Order; 2]) {
        let (give_stop, stop) = async_channel::bounded(1);
        let (give_force, force) = async_channel::bounded(1);
        (Self { stop, force }, [give_stop, give_force])
    }

    /// What `future` resolves to, or `None` once there is the order to stop.
    pub async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let stopped = async {
            let _ = self.stop.recv().await;
            None
        };
        stopped.or(async { Some(future.await) }).await
    }

    /// Waits for the order to stop at once.
    pub async fn force(&self) {
        let _ = self.force.recv().await;
    }
}

/// The first Ctrl-C or SIGTERM says stop, the second says at once. Should even that not help, a third ends the process.
pub fn from_signals() -> io::Result<Orders> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (orders, rights) = Orders::new();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut signals = signals.forever();
            for right in rights {
                signals.next();
                drop(right);
            }
            process::exit(128 + signals.next().unwrap_or_default());
        })?;
    Ok(orders)
}
