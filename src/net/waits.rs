//! Waits for readiness, and calls of the user's own on what the driver watches: what an adapter for
//! another library is made of. Written once for all sockets for datagrams.

/// `$ends` are hidden lines of the examples: what is sent or written to `far` comes to `near`.
macro_rules! wait_methods {
    ($type:ty, $io:ty, |$this:ident| $socket:expr, $ends:literal) => {
        impl $type {
            /// Waits until a read may give something, or would fail.
            ///
            /// It may be wrong. So one of the `try_` forms follows, and after
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock) another wait.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.try_send(b"hello")?;
            /// let mut room = [0; 100];
            /// let count = loop {
            ///     near.readable().await?;
            ///     match near.try_recv(&mut room) {
            ///         Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            ///         received => break received?,
            ///     }
            /// };
            /// assert_eq!(&room[..count], b"hello");
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// None today: a source that has failed is readable, and the read says why.
            ///
            /// # Cancellation
            ///
            /// Dropping the future loses nothing. Any number of tasks may wait here.
            pub async fn readable(&self) -> std::io::Result<()> {
                let $this = self;
                $socket.ready(crate::driver::sources::Direction::Read).await
            }

            /// Waits until there may be room for a write, or it would fail: see
            /// [`readable`](Self::readable).
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.writable().await?;
            /// far.try_send(b"hello")?;
            /// # near.try_recv(&mut [0; 5])?;
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// None today: a source that has failed is writable, and the write says why.
            ///
            /// # Cancellation
            ///
            /// Dropping the future loses nothing. Any number of tasks may wait here.
            pub async fn writable(&self) -> std::io::Result<()> {
                let $this = self;
                $socket
                    .ready(crate::driver::sources::Direction::Write)
                    .await
            }

            /// As [`readable`](Self::readable), for adapters that are polled.
            ///
            /// Such polls have no place of their own: the last two tasks are woken, and of more the
            /// oldest at once, to poll again. An adapter with more waiters keeps a future of
            /// [`readable`](Self::readable) for each, of which there can be any number.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::future::poll_fn;
            ///
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.try_send(b"hello")?;
            /// poll_fn(|cx| near.poll_readable(cx)).await?;
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// As [`readable`](Self::readable).
            pub fn poll_readable(
                &self,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = self;
                $socket.poll_ready(crate::driver::sources::Direction::Read, cx)
            }

            /// As [`writable`](Self::writable), for adapters that are polled: see
            /// [`poll_readable`](Self::poll_readable).
            ///
            /// # Examples
            ///
            /// ```
            /// use std::future::poll_fn;
            ///
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// poll_fn(|cx| far.poll_writable(cx)).await?;
            /// # near.try_recv(&mut [0; 5]).unwrap_err();
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// As [`writable`](Self::writable).
            pub fn poll_writable(
                &self,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = self;
                $socket.poll_ready(crate::driver::sources::Direction::Write, cx)
            }

            /// Calls `op`, which reads in a way of its own, at once. If it fails with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock), what waits for
            /// [`readable`](Self::readable) waits until there is more.
            ///
            /// `op` leaves the source in non-blocking mode, and fails with that error only if the
            /// source did.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.try_send(b"hello")?;
            /// let mut room = [0; 100];
            /// let count = near.try_read_with(|io| io.recv(&mut room))?;
            /// assert_eq!(&room[..count], b"hello");
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of `op`.
            pub fn try_read_with<R>(
                &self,
                op: impl FnOnce(&$io) -> std::io::Result<R>,
            ) -> std::io::Result<R> {
                let $this = self;
                $socket.try_io(crate::driver::sources::Direction::Read, op)
            }

            /// Calls `op`, which writes in a way of its own, at once: see
            /// [`try_read_with`](Self::try_read_with).
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// let count = far.try_write_with(|io| io.send(b"hello"))?;
            /// assert_eq!(count, 5);
            /// # near.try_recv(&mut [0; 5])?;
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of `op`.
            pub fn try_write_with<R>(
                &self,
                op: impl FnOnce(&$io) -> std::io::Result<R>,
            ) -> std::io::Result<R> {
                let $this = self;
                $socket.try_io(crate::driver::sources::Direction::Write, op)
            }
        }
    };
}

pub(crate) use wait_methods;
