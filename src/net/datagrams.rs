//! What sockets for datagrams have in common, written once: whole messages to and from the peer,
//! waits, and the ways in for adapters.

/// `$ends` are hidden lines of the examples: `near` and `far` are connected to each other.
macro_rules! datagram_methods {
    ($type:ident, $std:ty, $address:ty, $ends:literal) => {
        impl $type {
            /// Sends a datagram to the peer that was set by [`connect`](Self::connect), and waits
            /// while the system has no room for it: how many bytes it was, which is all of them.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.send(b"hello").await?;
            /// let mut room = [0; 100];
            /// let count = near.recv(&mut room).await?;
            /// assert_eq!(&room[..count], b"hello");
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system, for instance without a peer, or for more bytes than a datagram
            /// can have. It may be that of an earlier datagram, which nobody took.
            ///
            /// # Cancellation
            ///
            /// If the future is dropped before it is ready nothing was sent. Any number of tasks
            /// may wait here.
            pub async fn send(&self, datagram: &[u8]) -> std::io::Result<usize> {
                self.0
                    .operation(crate::driver::sources::Direction::Write, |io| {
                        io.send(datagram)
                    })
                    .await
            }

            /// Sends a datagram to the peer, else fails with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// assert_eq!(far.try_send(b"hello")?, 5);
            /// near.recv(&mut [0; 5]).await?;
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// As [`send`](Self::send).
            pub fn try_send(&self, datagram: &[u8]) -> std::io::Result<usize> {
                self.0
                    .try_io(crate::driver::sources::Direction::Write, |io| {
                        io.send(datagram)
                    })
            }

            /// Receives a datagram: how many bytes of it are in the buffer now.
            ///
            /// **What does not fit into the buffer is lost**, without an error, as in the standard
            /// library. A buffer of one byte more than the longest datagram that is expected tells:
            /// when it is full there was one that was longer. None has more than 65,535 bytes over
            /// IP.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.send(b"four").await?;
            /// far.send(b"more than four").await?;
            /// let mut room = [0; 4 + 1];
            /// assert_eq!(near.recv(&mut room).await?, 4);
            /// assert_eq!(near.recv(&mut room).await?, 5); // full: a part is lost
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system. It may be that of an earlier datagram, which nobody took.
            ///
            /// # Cancellation
            ///
            /// Dropping the future loses no datagram. Any number of tasks may wait here; each
            /// datagram goes to one of them.
            pub async fn recv(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0
                    .operation(crate::driver::sources::Direction::Read, |io| {
                        io.recv(buffer)
                    })
                    .await
            }

            /// Receives a datagram that is there, else fails with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
            ///
            /// It asks the system and not the driver: what came before the call is seen.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// let nothing = near.try_recv(&mut [0; 5]).unwrap_err();
            /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
            /// # far.send(b"x").await?;
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// As [`recv`](Self::recv).
            pub fn try_recv(&self, buffer: &mut [u8]) -> std::io::Result<usize> {
                self.0
                    .try_io(crate::driver::sources::Direction::Read, |io| {
                        io.recv(buffer)
                    })
            }

            /// Receives a datagram: how many bytes of it are in the buffer now, and where it comes
            /// from. What does not fit is lost: see [`recv`](Self::recv).
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// far.send(b"hello").await?;
            /// let mut room = [0; 100];
            /// let (count, _from) = near.recv_from(&mut room).await?;
            /// assert_eq!(&room[..count], b"hello");
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// As [`recv`](Self::recv).
            ///
            /// # Cancellation
            ///
            /// As [`recv`](Self::recv).
            pub async fn recv_from(&self, buffer: &mut [u8]) -> std::io::Result<(usize, $address)> {
                self.0
                    .operation(crate::driver::sources::Direction::Read, |io| {
                        io.recv_from(buffer)
                    })
                    .await
            }

            /// As [`recv_from`](Self::recv_from) for a datagram that is there, else fails with
            /// [`WouldBlock`](std::io::ErrorKind::WouldBlock).
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $ends]
            /// assert!(near.try_recv_from(&mut [0; 100]).is_err());
            /// # far.send(b"x").await?;
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// As [`recv`](Self::recv).
            pub fn try_recv_from(&self, buffer: &mut [u8]) -> std::io::Result<(usize, $address)> {
                self.0
                    .try_io(crate::driver::sources::Direction::Read, |io| {
                        io.recv_from(buffer)
                    })
            }
        }

        crate::net::waits::wait_methods!($type, $std, |this| this.0, $ends);
    };
}

pub(crate) use datagram_methods;
