//! What every socket shares with that of the standard library, written once: the way from and to
//! it, the error that the system keeps for it, and its descriptor.

/// `$new` are hidden lines of the examples, which make `socket`; `$make` wraps a socket of the
/// standard library in non-blocking mode.
macro_rules! std_socket {
    ($type:ident, $std:ty, $make:expr, |$this:ident| $socket:expr, $new:literal) => {
        impl $type {
            /// Takes over a socket of the standard library, and sets it non-blocking.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $new]
            #[doc = concat!("let socket = ", stringify!($type), "::from_std(socket.into_std()?)?;")]
            /// assert!(socket.take_error()?.is_none());
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system, for instance no more file descriptors.
            pub fn from_std(socket: $std) -> std::io::Result<Self> {
                socket.set_nonblocking(true)?;
                $make(socket)
            }

            /// Gives it back as a socket of the standard library, in blocking mode.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $new]
            #[doc = concat!("let socket: ", stringify!($std), " = socket.into_std()?;")]
            /// assert!(socket.take_error()?.is_none());
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            pub fn into_std(self) -> std::io::Result<$std> {
                let $this = self;
                let socket = $socket.into_inner();
                socket.set_nonblocking(false)?;
                Ok(socket)
            }

            /// Takes the error that the system keeps for the socket (`SO_ERROR`), for instance that
            /// of a connection that was lost.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $new]
            /// assert!(socket.take_error()?.is_none());
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of asking.
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                let $this = self;
                $socket.io().take_error()
            }
        }

        impl TryFrom<$std> for $type {
            type Error = std::io::Error;

            fn try_from(socket: $std) -> std::io::Result<Self> {
                Self::from_std(socket)
            }
        }

        impl TryFrom<$type> for $std {
            type Error = std::io::Error;

            fn try_from(socket: $type) -> std::io::Result<Self> {
                socket.into_std()
            }
        }

        crate::net::std_socket::descriptor!($type, |$this| $socket.io());
    };
}

/// The descriptor of a type, and its form for people.
macro_rules! descriptor {
    ($type:ident, |$this:ident| $io:expr) => {
        impl std::os::fd::AsFd for $type {
            /// For options that are not here: leave the socket open, registered nowhere else in
            /// edge mode, and in non-blocking mode.
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                let $this = self;
                std::os::fd::AsFd::as_fd($io)
            }
        }

        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                let $this = self;
                std::os::fd::AsRawFd::as_raw_fd($io)
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let $this = self;
                f.debug_tuple(stringify!($type)).field($io).finish()
            }
        }
    };
}

pub(crate) use {descriptor, std_socket};
