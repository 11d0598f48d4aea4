//! Pipes: bytes in one direction, to and from another process, or between tasks of this one.
//!
//! [`pipe`] makes an anonymous one, whose ends can be given to a process that is started;
//! [`OpenOptions`] opens a named one (a FIFO), which is a file.
//!
//! # Examples
//!
//! ```
//! use spinney::net::pipe::pipe;
//! use std::process::Command;
//!
//! spinney::block_on(async {
//!     let (reader, writer) = pipe()?;
//!     let mut child = Command::new("echo").arg("hello").stdout(writer.into_file()?).spawn()?;
//!     let mut text = [0; 6];
//!     reader.read_exact(&mut text).await?;
//!     assert_eq!(&text, b"hello\n");
//!     child.wait()?;
//!     Ok::<(), std::io::Error>(())
//! }).unwrap();
//! ```

use crate::net::address::failed;
use crate::net::bytes::{async_read, async_write, read_methods, write_methods};
use crate::net::registered::Registered;
use crate::net::std_socket::descriptor;
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The end of a pipe that writes.
///
/// When all of them are dropped the reader reads the end. A write to a pipe without a reader fails
/// with `BrokenPipe`.
///
/// # Examples
///
/// ```
/// use spinney::net::pipe::{Sender, pipe};
///
/// async fn greet(to: Sender) -> std::io::Result<()> {
///     to.write_all(b"hello").await
/// } // and the reader reads the end
///
/// spinney::block_on(async {
///     let (reader, writer) = pipe()?;
///     greet(writer).await?;
///     let mut room = [0; 100];
///     assert_eq!(reader.read(&mut room).await?, 5);
///     assert_eq!(reader.read(&mut room).await?, 0);
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub struct Sender(pub(crate) Registered<File>);

/// The end of a pipe that reads.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncReadExt;
/// use spinney::net::pipe::{Receiver, pipe};
///
/// async fn all(mut from: Receiver) -> std::io::Result<Vec<u8>> {
///     let mut all = Vec::new();
///     from.read_to_end(&mut all).await?;
///     Ok(all)
/// }
///
/// spinney::block_on(async {
///     let (reader, writer) = pipe()?;
///     writer.write_all(b"hello").await?;
///     drop(writer);
///     assert_eq!(all(reader).await?, b"hello");
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub struct Receiver(pub(crate) Registered<File>);

/// Makes a pipe without a name.
///
/// # Examples
///
/// ```
/// use spinney::net::pipe::pipe;
///
/// spinney::block_on(async {
///     let (reader, writer) = pipe()?;
///     writer.write_all(b"hello").await?;
///     let mut text = [0; 5];
///     reader.read_exact(&mut text).await?;
///     assert_eq!(&text, b"hello");
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system, for instance no more file descriptors.
pub fn pipe() -> io::Result<(Receiver, Sender)> {
    let make = || {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok((
            Receiver(Registered::in_pieces(reader.into(), None)?),
            Sender(Registered::in_pieces(writer.into(), None)?),
        ))
    };
    make().map_err(|error| failed(error, "cannot make a pipe"))
}

/// How to open a named pipe (a FIFO).
///
/// # Examples
///
/// ```
/// use spinney::net::pipe::OpenOptions;
/// # use std::process::Command;
///
/// # let path = std::env::temp_dir().join(format!("spinney-fifo-{}", std::process::id()));
/// # assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
/// spinney::block_on(async {
///     let reader = OpenOptions::new().open_receiver(&path)?;
///     let writer = OpenOptions::new().open_sender(&path)?;
///     writer.write_all(b"hello").await?;
///     let mut text = [0; 5];
///     reader.read_exact(&mut text).await?;
///     assert_eq!(&text, b"hello");
///     std::fs::remove_file(&path)
/// }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    both: bool,
}

impl OpenOptions {
    /// One direction alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::pipe::OpenOptions;
    ///
    /// assert!(OpenOptions::new().open_receiver("/nowhere/at all").is_err());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the pipe in both directions, also if only one is used (Linux): so a receiver never
    /// reads an end, and waits for the next writer when one has gone; and a sender can be opened
    /// before there is a reader.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::pipe::OpenOptions;
    /// # use std::process::Command;
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-both-{}", std::process::id()));
    /// # assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    /// spinney::block_on(async {
    ///     let reader = OpenOptions::new().read_write(true).open_receiver(&path)?;
    ///     for word in ["one", "two"] {
    ///         std::fs::write(&path, word)?; // opens and closes it
    ///         let mut text = [0; 3];
    ///         reader.read_exact(&mut text).await?;
    ///         assert_eq!(text, word.as_bytes());
    ///     }
    ///     std::fs::remove_file(&path)
    /// }).unwrap();
    /// ```
    pub fn read_write(&mut self, yes: bool) -> &mut Self {
        self.both = yes;
        self
    }

    /// Opens the end that reads.
    ///
    /// Before there is a writer, and after the last one has gone, reads give the end: see
    /// [`read_write`](OpenOptions::read_write).
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::pipe::OpenOptions;
    ///
    /// let error = OpenOptions::new().open_receiver("/dev/null").unwrap_err();
    /// assert!(error.to_string().contains("/dev/null"));
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, or that the file is no pipe. Its text names the path.
    pub fn open_receiver(&self, path: impl AsRef<Path>) -> io::Result<Receiver> {
        let path = path.as_ref();
        self.open(path, true)
            .map(Receiver)
            .map_err(|error| cannot_open(error, path, "reading"))
    }

    /// Opens the end that writes.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::net::pipe::OpenOptions;
    /// # use std::process::Command;
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-sender-{}", std::process::id()));
    /// # assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    /// let alone = OpenOptions::new().open_sender(&path).unwrap_err();
    /// assert!(alone.to_string().contains("no process reads"));
    /// # std::fs::remove_file(&path).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, that the file is no pipe, or that no process reads from it. Its text
    /// names the path.
    pub fn open_sender(&self, path: impl AsRef<Path>) -> io::Result<Sender> {
        let path = path.as_ref();
        let opened =
            self.open(path, false).map_err(|error| {
                match rustix::io::Errno::from_io_error(&error) {
                    Some(rustix::io::Errno::NXIO) => {
                        io::Error::new(error.kind(), "no process reads from it")
                    }
                    _ => error,
                }
            });
        opened
            .map(Sender)
            .map_err(|error| cannot_open(error, path, "writing"))
    }

    fn open(&self, path: &Path, reads: bool) -> io::Result<Registered<File>> {
        let file = std::fs::OpenOptions::new()
            .read(reads || self.both)
            .write(!reads || self.both)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path)?;
        if !file.metadata()?.file_type().is_fifo() {
            let text = "it is no pipe";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Registered::in_pieces(file, None)
    }
}

fn cannot_open(error: io::Error, path: &Path, what_for: &str) -> io::Error {
    let path = path.display();
    failed(error, format_args!("cannot open {path} for {what_for}"))
}

macro_rules! files {
    ($($type:ident, $end:literal, $pair:literal;)*) => {$(
        impl $type {
            /// Takes over an end of a pipe, and sets it non-blocking, which all that share it have
            /// in common.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $pair]
            #[doc = concat!("let ", $end, " = spinney::net::pipe::", stringify!($type), "::from_fd(", $end, ".into_file()?.into())?;")]
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system; that it is no pipe.
            pub fn from_fd(pipe: OwnedFd) -> io::Result<Self> {
                let file = File::from(pipe);
                if !file.metadata()?.file_type().is_fifo() {
                    let text = "the descriptor is no pipe";
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                rustix::io::ioctl_fionbio(&file, true)?;
                Registered::in_pieces(file, None).map(Self)
            }

            /// Gives it back as a file in blocking mode, such as a process that is started takes.
            ///
            /// # Examples
            ///
            /// ```
            /// # spinney::block_on(async {
            #[doc = $pair]
            #[doc = concat!("let file = ", $end, ".into_file()?;")]
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            pub fn into_file(self) -> io::Result<File> {
                let file = self.0.into_inner();
                rustix::io::ioctl_fionbio(&file, false)?;
                Ok(file)
            }
        }

        impl TryFrom<OwnedFd> for $type {
            type Error = io::Error;

            fn try_from(pipe: OwnedFd) -> io::Result<Self> {
                Self::from_fd(pipe)
            }
        }

        descriptor!($type, |this| this.0.io());
    )*};
}

files! {
    Sender, "writer", "# let (_reader, writer) = spinney::net::pipe::pipe()?;";
    Receiver, "reader", "# let (reader, _writer) = spinney::net::pipe::pipe()?;";
}

read_methods!(
    Receiver,
    |this| this.0,
    "# let (near, far) = spinney::net::pipe::pipe()?;"
);

write_methods!(
    Sender,
    |this| this.0,
    "# let (near, far) = spinney::net::pipe::pipe()?;"
);

async_read!(Receiver, &Receiver => |this| this.0);
// The end of the pipe is sent when the last sender is dropped: a descriptor has no half-close.
async_write!(Sender, &Sender => |_this| _this.0, Ok(()));
