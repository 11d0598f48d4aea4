//! What sockets are bound and connected to: addresses as they are, and names, which have to be
//! looked up first.

pub(crate) use crate::report::tried::failed;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What [`TcpListener::bind`], [`TcpStream::connect`] and their like take: an address, several of
/// them, or the name of a host with a port.
///
/// It is implemented for what [`std::net::ToSocketAddrs`] is implemented for: [`SocketAddr`] and
/// its two kinds, an IP address or a host with a port, as a pair, a string of the form `host:port`,
/// slices of addresses, and references to all of these. A string that is an address is not looked
/// up. It cannot be implemented elsewhere.
///
/// [`TcpListener::bind`]: crate::net::TcpListener::bind
/// [`TcpStream::connect`]: crate::net::TcpStream::connect
///
/// # Examples
///
/// ```
/// use spinney::net::{TcpListener, TcpStream, ToSocketAddrs};
/// use std::net::Ipv4Addr;
///
/// async fn listen(at: impl ToSocketAddrs) -> std::io::Result<TcpListener> {
///     TcpListener::bind(at).await
/// }
///
/// spinney::block_on(async {
///     listen("127.0.0.1:0").await?;
///     listen(("localhost", 0)).await?;
///     let listener = listen((Ipv4Addr::LOCALHOST, 0)).await?;
///     TcpStream::connect(listener.local_addr()?).await?;
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub trait ToSocketAddrs: sealed::Sealed {}

/// Where to, as the caller said it.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Addresses(Vec<SocketAddr>),
    /// `host:port`, to be looked up.
    Name(String),
    /// A host and a port, to be looked up.
    Host(String, u16),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(addresses) => write!(f, "{addresses:?}"),
            Self::Name(name) => f.write_str(name),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// Only this crate implements [`ToSocketAddrs`].
mod sealed {
    use std::net::SocketAddr;

    /// How this crate sees what the caller gave.
    pub trait Sealed {
        /// The addresses; or the name that is to be looked up, with its port if that is apart.
        fn given(&self) -> Result<Vec<SocketAddr>, (String, Option<u16>)>;

        /// The address, if it is one: without memory of its own, for each datagram.
        fn single(&self) -> Option<SocketAddr> {
            None
        }
    }
}

type Given = Result<Vec<SocketAddr>, (String, Option<u16>)>;

/// The target that the caller gave.
pub(crate) fn target(address: &impl ToSocketAddrs) -> Target {
    match address.given() {
        Ok(addresses) => Target::Addresses(addresses),
        Err((name, None)) => Target::Name(name),
        Err((host, Some(port))) => Target::Host(host, port),
    }
}

/// The address that the caller gave, if it is one and no name.
pub(crate) fn single(address: &impl ToSocketAddrs) -> Option<SocketAddr> {
    address.single()
}

macro_rules! addresses {
    ($($type:ty),*) => {$(
        impl ToSocketAddrs for $type {}

        impl sealed::Sealed for $type {
            fn given(&self) -> Given {
                Ok(vec![(*self).into()])
            }

            fn single(&self) -> Option<SocketAddr> {
                Some((*self).into())
            }
        }
    )*};
}

addresses!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16)
);

macro_rules! targets {
    ($($type:ty, |$this:ident| $given:expr;)*) => {$(
        impl ToSocketAddrs for $type {}

        impl sealed::Sealed for $type {
            fn given(&self) -> Given {
                let $this = self;
                $given
            }
        }
    )*};
}

targets! {
    [SocketAddr], |this| Ok(this.to_vec());
    str, |this| name(this);
    String, |this| name(this);
    (&str, u16), |this| host(this.0, this.1);
    (String, u16), |this| host(&this.0, this.1);
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: ToSocketAddrs + ?Sized> sealed::Sealed for &T {
    fn given(&self) -> Given {
        (**self).given()
    }

    fn single(&self) -> Option<SocketAddr> {
        (**self).single()
    }
}

fn name(name: &str) -> Given {
    match name.parse() {
        Ok(address) => Ok(vec![address]),
        Err(_) => Err((name.to_owned(), None)),
    }
}

fn host(host: &str, port: u16) -> Given {
    match host.parse::<IpAddr>() {
        Ok(ip) => Ok(vec![(ip, port).into()]),
        Err(_) => Err((host.to_owned(), Some(port))),
    }
}

/// The error of an attempt on one address of a target, which may be all there is of it.
pub(crate) fn failed_at(
    error: io::Error,
    verb: &str,
    target: &Target,
    address: SocketAddr,
) -> io::Error {
    match target {
        Target::Addresses(_) => failed(error, format_args!("cannot {verb} {address}")),
        _ => failed(error, format_args!("cannot {verb} {target} at {address}")),
    }
}

/// The error of a target that has no address: an empty slice, or a name for which there is none.
pub(crate) fn no_address(target: &Target) -> io::Error {
    let text = match target {
        Target::Addresses(_) => "no address was given".to_owned(),
        _ => format!("{target} has no address"),
    };
    io::Error::new(io::ErrorKind::NotFound, text)
}
