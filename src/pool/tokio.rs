//! How tokio is asked for. What it is, and which threads drive it, is in `driver::beside`.

use crate::driver::beside::{Tokio, Wanted};
use crate::pool::config::RuntimeBuilder;
use std::panic::Location;

impl RuntimeBuilder {
    /// Has a runtime of tokio's beside this one, whose context all its threads have: what needs
    /// tokio works in children, as it is.
    ///
    /// Default: none. The [guide](crate::guide::tokio) says what that means for tasks of
    /// `tokio::spawn`, which are in no group but in some builds, and for what is always ready.
    /// tokio's time is real, also beside a [`clock`](RuntimeBuilder::clock) of a test.
    ///
    /// The context is there in children and closures, in the body of a group and any other future
    /// that a thread waits for by [`Runtime::block_on`](crate::Runtime::block_on) or
    /// [`.wait()`](crate::Wait::wait), in destructors that a cut runs, and in the hooks for threads
    /// and stalls. A body that is polled by another executor has that of its executor.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Runtime, group, runtime::Tokio};
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    /// use tokio::net::{TcpListener, TcpStream};
    ///
    /// let runtime = Runtime::builder().workers(2).tokio(Tokio::Parked).build()?;
    /// let text = runtime.block_on(group(async |g| {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ///     let address = listener.local_addr().unwrap();
    ///     g.spawn(async move {
    ///         let (mut client, _) = listener.accept().await.unwrap();
    ///         client.write_all(b"hello").await.unwrap();
    ///     });
    ///     let mut text = String::new();
    ///     let mut server = TcpStream::connect(address).await.unwrap();
    ///     server.read_to_string(&mut text).await.unwrap();
    ///     text
    /// }));
    /// assert_eq!(text, "hello");
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    #[track_caller]
    pub fn tokio(mut self, how: Tokio) -> Self {
        self.tokio = Some(Wanted {
            how,
            location: Location::caller(),
        });
        self
    }

    /// Whether groups wait for the tasks of `tokio::spawn` that were spawned in them, in a build
    /// in which tokio says so: one with `--cfg tokio_unstable`.
    ///
    /// Default: yes. Without it a group does not wait, as in other builds, and 100 ms after its end
    /// it tells [`on_unobserved`](RuntimeBuilder::on_unobserved) how many of its own are alive, and
    /// where they were spawned. In a build without that flag no group waits or tells, however this
    /// is set: see the [guide](crate::guide::tokio#where-tokio-says-who-spawned).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::{Group, Runtime, group, runtime::Tokio};
    ///
    /// let builder = Runtime::builder().workers(1).tokio(Tokio::Parked);
    /// let runtime = builder.wait_for_tokio_tasks(false).on_unobserved(drop).build()?;
    /// runtime.block_on(group(async |_: Group<'_, '_>| {
    ///     tokio::spawn(std::future::pending::<()>()); // it ends with the runtime
    /// }));
    /// # Ok::<(), spinney::runtime::BuildError>(())
    /// ```
    pub fn wait_for_tokio_tasks(mut self, wait: bool) -> Self {
        self.waits_for_tokio_tasks = wait;
        self
    }
}
