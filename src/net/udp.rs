//! A socket for UDP.

use crate::driver::sources::Direction;
use crate::net::address::{Target, ToSocketAddrs, failed, no_address, single, target};
use crate::net::datagrams::datagram_methods;
use crate::net::endpoint;
use crate::net::options::options;
use crate::net::registered::Registered;
use crate::net::resolve::{first_of, resolve};
use crate::net::std_socket::std_socket;
use crate::report::waits_for::Endpoint;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// A UDP socket.
///
/// All methods take `&self`: any number of tasks may send and receive, and each datagram goes to
/// one of them.
///
/// # Examples
///
/// ```
/// use spinney::net::UdpSocket;
///
/// spinney::block_on(async {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.send_to(b"hello", server.local_addr()?).await?;
///     let mut room = [0; 1500];
///     let (count, from) = server.recv_from(&mut room).await?;
///     server.send_to(&room[..count], from).await?; // an echo
///     assert_eq!(client.recv(&mut room).await?, 5);
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub struct UdpSocket(pub(crate) Registered<std::net::UdpSocket>);

impl UdpSocket {
    /// Binds to the first of these addresses that can be had. Port 0 lets the system choose.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UdpSocket;
    ///
    /// spinney::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let address = socket.local_addr()?;
    ///     let taken = UdpSocket::bind(address).await.unwrap_err();
    ///     assert!(taken.to_string().contains(&address.to_string()));
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// The last address's error, or that of the resolver. Its text names the address; its kind is
    /// that of the system's error, which is its [`source`](std::error::Error::source).
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the socket. A lookup of the name that has not begun is not made;
    /// one that has begun ends on its thread.
    ///
    /// # Blocking
    ///
    /// Never: names are looked up on a thread for calls that block, addresses not at all.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        first_of(&target(&address), "bind to", |address| {
            std::net::UdpSocket::bind(address).and_then(Self::from_std)
        })
        .await
    }

    /// Sets the peer: where [`send`](UdpSocket::send) sends to, and from where alone datagrams are
    /// received. Nothing is sent by it.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UdpSocket;
    ///
    /// spinney::block_on(async {
    ///     let server = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let client = UdpSocket::bind("127.0.0.1:0").await?;
    ///     client.connect(server.local_addr()?).await?;
    ///     client.send(b"hello").await?;
    ///     assert_eq!(client.peer_addr()?, server.local_addr()?);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`bind`](UdpSocket::bind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the socket as it is.
    ///
    /// # Blocking
    ///
    /// As [`bind`](UdpSocket::bind).
    pub async fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        let connect = |address| {
            self.0.io().connect(address)?;
            self.0.leads_to(Some(Endpoint::Peer(address)));
            Ok(())
        };
        first_of(&target(&address), "connect to", connect).await
    }

    /// Sends a datagram to an address, and waits while the system has no room for it: how many
    /// bytes it was, which is all of them.
    ///
    /// A name is looked up for each datagram: give an address, or [`connect`](UdpSocket::connect)
    /// first. Of its addresses the first one of the socket's own kind is taken, IPv4 or IPv6.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UdpSocket;
    ///
    /// spinney::block_on(async {
    ///     let one = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let other = UdpSocket::bind("127.0.0.1:0").await?;
    ///     one.send_to(b"hello", other.local_addr()?).await?;
    ///     let mut room = [0; 100];
    ///     assert_eq!(other.recv_from(&mut room).await?, (5, one.local_addr()?));
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system and of the resolver. It may be that of an earlier datagram, which no
    /// socket took.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped before it is ready nothing was sent. Any number of tasks may wait
    /// here.
    ///
    /// # Blocking
    ///
    /// As [`bind`](UdpSocket::bind).
    pub async fn send_to(&self, datagram: &[u8], to: impl ToSocketAddrs) -> io::Result<usize> {
        let to = match single(&to) {
            Some(address) => address,
            None => self.one_of(&target(&to)).await?,
        };
        self.0
            .operation(Direction::Write, |io| io.send_to(datagram, to))
            .await
    }

    /// The address of a target to which this socket can send.
    async fn one_of(&self, target: &Target) -> io::Result<SocketAddr> {
        let addresses = resolve(target).await?;
        let is_v4 = self.local_addr()?.is_ipv4();
        let mut fitting = addresses.iter().filter(|to| to.is_ipv4() == is_v4);
        let first = fitting.next().or(addresses.first());
        first.copied().ok_or_else(|| no_address(target))
    }

    /// Sends a datagram to an address, else fails with [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UdpSocket;
    ///
    /// spinney::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert_eq!(socket.try_send_to(b"hello", socket.local_addr()?)?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send_to`](UdpSocket::send_to).
    pub fn try_send_to(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0
            .try_io(Direction::Write, |io| io.send_to(datagram, to))
    }

    /// Copies the next datagram from the peer into `buffer` and leaves it in the socket; waits if
    /// there is none. What does not fit is not copied, and not lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UdpSocket;
    ///
    /// spinney::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.connect(socket.local_addr()?).await?;
    ///     socket.send(b"hello").await?;
    ///     assert_eq!(socket.peek(&mut [0; 3]).await?, 3);
    ///     assert_eq!(socket.recv(&mut [0; 9]).await?, 5);
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing. Any number of tasks may wait here.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0
            .operation(Direction::Read, |io| io.peek(buffer))
            .await
    }

    /// As [`peek`](UdpSocket::peek), and where the datagram comes from.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UdpSocket;
    ///
    /// spinney::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let own = socket.local_addr()?;
    ///     socket.send_to(b"hello", own).await?;
    ///     assert_eq!(socket.peek_from(&mut [0; 9]).await?, (5, own));
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// As [`peek`](UdpSocket::peek).
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0
            .operation(Direction::Read, |io| io.peek_from(buffer))
            .await
    }

    /// The address that it is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UdpSocket;
    ///
    /// spinney::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert_ne!(socket.local_addr()?.port(), 0); // the system chose one
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().local_addr()
    }

    /// The peer that was set by [`connect`](UdpSocket::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UdpSocket;
    ///
    /// spinney::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     assert!(socket.peer_addr().is_err()); // none yet
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, for instance without a peer.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().peer_addr()
    }

    /// Receives what is sent to a group of hosts, at the interface with this address; at one of the
    /// system's choice if that is `0.0.0.0`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use spinney::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    ///
    /// spinney::block_on(async {
    ///     let socket = UdpSocket::bind("0.0.0.0:5353").await?;
    ///     socket.join_multicast_v4(Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::UNSPECIFIED)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system; their text names the group.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let joined = self.0.io().join_multicast_v4(&group, &interface);
        joined.map_err(|error| failed(error, format_args!("cannot join {group}")))
    }

    /// Receives what is sent to a group of hosts, at the interface with this index; at one of the
    /// system's choice if that is 0.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use spinney::net::UdpSocket;
    /// use std::net::Ipv6Addr;
    ///
    /// spinney::block_on(async {
    ///     let socket = UdpSocket::bind("[::]:5353").await?;
    ///     socket.join_multicast_v6("ff02::fb".parse().unwrap(), 0)
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system; their text names the group.
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        let joined = self.0.io().join_multicast_v6(&group, interface);
        joined.map_err(|error| failed(error, format_args!("cannot join {group}")))
    }

    /// Leaves a group: see [`join_multicast_v4`](UdpSocket::join_multicast_v4).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    ///
    /// spinney::block_on(async {
    ///     let socket = UdpSocket::bind("0.0.0.0:0").await?;
    ///     let group = Ipv4Addr::new(224, 0, 0, 251);
    ///     // It has not joined.
    ///     assert!(socket.leave_multicast_v4(group, Ipv4Addr::UNSPECIFIED).is_err());
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system; their text names the group.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        let left = self.0.io().leave_multicast_v4(&group, &interface);
        left.map_err(|error| failed(error, format_args!("cannot leave {group}")))
    }

    /// Leaves a group: see [`join_multicast_v6`](UdpSocket::join_multicast_v6).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use spinney::net::UdpSocket;
    ///
    /// fn leave(socket: &UdpSocket) -> std::io::Result<()> {
    ///     socket.leave_multicast_v6("ff02::fb".parse().unwrap(), 0)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system; their text names the group.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        let left = self.0.io().leave_multicast_v6(&group, interface);
        left.map_err(|error| failed(error, format_args!("cannot leave {group}")))
    }
}

options! {
    UdpSocket,
    "# use spinney::net::UdpSocket;
# let socket = UdpSocket::bind(\"127.0.0.1:0\").await?;",
    |this| this.0.io();

    /// Whether it may send to all hosts of a network (`SO_BROADCAST`).
    set_broadcast, broadcast: bool = "true",
    |io, yes| io.set_broadcast(yes), |io| io.broadcast();

    /// How many routers a datagram may pass (`IP_TTL`), from 1 to 255.
    set_ttl, ttl: u32 = "10",
    |io, routers| io.set_ttl(routers), |io| io.ttl();

    /// Whether datagrams for a group of hosts come back to this one (`IP_MULTICAST_LOOP`).
    set_multicast_loop_v4, multicast_loop_v4: bool = "false",
    |io, yes| io.set_multicast_loop_v4(yes), |io| io.multicast_loop_v4();

    /// How many routers a datagram for a group of hosts may pass (`IP_MULTICAST_TTL`).
    set_multicast_ttl_v4, multicast_ttl_v4: u32 = "10",
    |io, routers| io.set_multicast_ttl_v4(routers), |io| io.multicast_ttl_v4();
}

options! {
    UdpSocket,
    "# use spinney::net::UdpSocket;
# let Ok(socket) = UdpSocket::bind(\"[::1]:0\").await else { return Ok(()) }; // there is no IPv6",
    |this| this.0.io();

    /// Whether datagrams for a group of IPv6 hosts come back to this one (`IPV6_MULTICAST_LOOP`).
    set_multicast_loop_v6, multicast_loop_v6: bool = "false",
    |io, yes| io.set_multicast_loop_v6(yes), |io| io.multicast_loop_v6();
}

std_socket!(
    UdpSocket,
    std::net::UdpSocket,
    |io| {
        let endpoint = endpoint::of(&io);
        Registered::new(io, endpoint).map(Self)
    },
    |this| this.0,
    "# use spinney::net::UdpSocket;
# let socket = UdpSocket::bind(\"127.0.0.1:0\").await?;"
);

datagram_methods!(
    UdpSocket,
    std::net::UdpSocket,
    SocketAddr,
    "# use spinney::net::UdpSocket;
# let near = UdpSocket::bind(\"127.0.0.1:0\").await?;
# let far = UdpSocket::bind(\"127.0.0.1:0\").await?;
# near.connect(far.local_addr()?).await?;
# far.connect(near.local_addr()?).await?;"
);
