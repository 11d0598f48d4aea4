//! What every type that reads or writes bytes has, written once: the traits of `futures_io` on the
//! type and on references to it, and methods of its own for those who import no trait.
//!
//! A method is a future that has a place of its own among the waiters, where the traits can give
//! none: so it takes `&self`, any number of tasks may wait in it, and a dropped one leaves nothing
//! behind.

/// `AsyncRead` for types with a registered source, which `$socket` names.
macro_rules! async_read {
    ($($type:ty),* => |$this:ident| $socket:expr) => {$(
        impl futures_io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = &*self;
                $socket.poll_read(cx, buffer)
            }

            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = &*self;
                $socket.poll_read_vectored(cx, buffers)
            }
        }
    )*};
}

/// `AsyncWrite` likewise; `$close` says what a `poll_close` does once it has taken its unit of the
/// budget.
macro_rules! async_write {
    ($($type:ty),* => |$this:ident| $socket:expr, $close:expr) => {$(
        impl futures_io::AsyncWrite for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = &*self;
                $socket.poll_write(cx, buffer)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffers: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = &*self;
                $socket.poll_write_vectored(cx, buffers)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = &*self;
                $socket.poll_flush(cx)
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = &*self;
                crate::poll::budget::spend(cx).map(|()| $close)
            }
        }
    )*};
}

/// Methods that read. `$ends` are hidden lines of the examples: what is written to `far` is read
/// from `near`.
macro_rules! read_methods {
    ($type:ty, |$this:ident| $socket:expr, $ends:literal) => {
        impl $type {
            /// Reads what there is, and waits only if there is nothing: how many bytes it was.
            ///
            /// `Ok(0)` is the end, or an empty buffer. Without an import; with
            /// `futures_lite::AsyncReadExt`, or `futures_util`'s, there are more such methods.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.write_all(b"hello").await?;
            /// let mut room = [0; 100];
            /// let count = near.read(&mut room).await?;
            /// assert!(b"hello".starts_with(&room[..count]) && count > 0);
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            ///
            /// # Cancellation
            ///
            /// Dropping the future loses no byte. Any number of tasks may wait here.
            pub async fn read(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let $this = self;
                $socket.read(buffer).await
            }

            /// Reads until the buffer is full.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.write_all(b"hello").await?;
            /// let mut text = [0; 5];
            /// near.read_exact(&mut text).await?;
            /// assert_eq!(&text, b"hello");
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system; [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof) if the end
            /// comes first.
            ///
            /// # Cancellation
            ///
            /// Bytes that were read before the future is dropped are in the buffer, and their
            /// number is not known: use [`read`](Self::read) where a read may be given up.
            pub async fn read_exact(&self, buffer: &mut [u8]) -> std::io::Result<()> {
                let $this = self;
                $socket.read_exact(buffer).await
            }

            /// Reads what there is now, else fails with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
            ///
            /// It asks the system and not the driver: what came before the call is seen.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// let nothing = near.try_read(&mut [0; 10]).unwrap_err();
            /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
            /// # far.write_all(b"hello").await?;
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            pub fn try_read(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let $this = self;
                $socket.try_read(buffer)
            }

            /// Waits until a read may give something: bytes, the end or an error.
            ///
            /// It may be wrong. So a [`try_read`](Self::try_read) follows that may fail with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock), and after that it waits again. A
            /// server that keeps many idle connections needs no buffer for them so.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.write_all(b"hello").await?;
            /// let mut room = [0; 100];
            /// let count = loop {
            ///     near.readable().await?;
            ///     match near.try_read(&mut room) {
            ///         Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            ///         read => break read?,
            ///     }
            /// };
            /// assert!(count > 0);
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
        }
    };
}

/// Methods that write. `$ends` are hidden lines of the examples: what is written to `far` is read
/// from `near`.
macro_rules! write_methods {
    ($type:ty, |$this:ident| $socket:expr, $ends:literal) => {
        impl $type {
            /// Writes what there is room for, and waits only if there is none: how many bytes it
            /// was.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// let count = far.write(b"hello").await?;
            /// assert!((1..=5).contains(&count));
            /// # near.read(&mut [0; 10]).await?;
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            ///
            /// # Cancellation
            ///
            /// If the future is dropped before it is ready nothing was written. Any number of tasks
            /// may wait here; what each writes stays together, and their order is not defined.
            pub async fn write(&self, buffer: &[u8]) -> std::io::Result<usize> {
                let $this = self;
                $socket.write(buffer).await
            }

            /// Writes all of the buffer.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.write_all(b"hello").await?;
            /// let mut text = [0; 5];
            /// near.read_exact(&mut text).await?;
            /// assert_eq!(&text, b"hello");
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            ///
            /// # Cancellation
            ///
            /// If the future is dropped early a first part of the buffer may have been written.
            pub async fn write_all(&self, buffer: &[u8]) -> std::io::Result<()> {
                let $this = self;
                $socket.write_all(buffer).await
            }

            /// Writes what there is room for now, else fails with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// assert_eq!(far.try_write(b"hello")?, 5); // there is room in a new one
            /// # near.read(&mut [0; 10]).await?;
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            pub fn try_write(&self, buffer: &[u8]) -> std::io::Result<usize> {
                let $this = self;
                $socket.try_write(buffer)
            }

            /// Waits until there may be room for a write, or it would fail.
            ///
            /// It may be wrong: see [`try_write`](Self::try_write).
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.writable().await?;
            /// assert!(far.try_write(b"hello").is_ok());
            /// # near.read(&mut [0; 10]).await?;
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
        }
    };
}

pub(crate) use {async_read, async_write, read_methods, write_methods};
