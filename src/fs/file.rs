//! An open file.

use crate::api::child::closures::blocking_at;
use crate::fs::transfer::Transfer;
use crate::poll::frame;
use crate::sync::Arc;
use std::fmt;
use std::fs::{self, Metadata, Permissions};
use std::future::poll_fn;
use std::io::{self, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::path::Path;

/// An open file.
///
/// It reads, writes and seeks by the traits of `futures_io`, and, with the feature `tokio-io`, by
/// those of tokio. It reads ahead, 128 KiB at least, and writes behind: a write is done when its
/// bytes are in a queue of 256 KiB, and a thread writes them from there, at once and in large
/// pieces. Reads, writes and seeks of one file see each other's effects in order.
///
/// It is for files that answer in time. A read of a pipe, a terminal or a socket by its name holds
/// up the end of its group, as nothing ends it: see [`net`](crate::net) and
/// [`io::stdin`](crate::io::stdin).
///
/// # Errors of writes
///
/// A write that fails behind is the error of the next operation on the file, whichever that is;
/// `flush`, `close` and all methods wait for earlier writes. If the file is dropped first,
/// the error goes to the hook of the runtime
/// ([`on_unobserved`](crate::RuntimeBuilder::on_unobserved)), with the place where it was opened.
/// [`sync_all`](File::sync_all) also says what the device made of it.
///
/// # Cancellation
///
/// A write that has returned is written, whatever is cut. A read or a seek that is given up goes on
/// in the file: its bytes are there for the next read. A drop never loses bytes: the queue is
/// written, and the group around the drop waits for that. Outside of every group, where nothing
/// would, the drop itself blocks until then.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
/// use spinney::fs::{self, File};
/// use std::io::SeekFrom;
///
/// # let path = std::env::temp_dir().join(format!("spinney-file-{}", std::process::id()));
/// spinney::block_on(async {
///     let mut file = File::options().read(true).write(true).create(true).open(&path).await?;
///     file.write_all(b"hello").await?;
///     file.seek(SeekFrom::Start(1)).await?;
///     let mut text = String::new();
///     file.read_to_string(&mut text).await?;
///     assert_eq!(text, "ello");
///     fs::remove_file(path).await
/// }).unwrap();
/// ```
pub struct File {
    pub(super) transfer: Transfer,
}

impl File {
    /// Called on a thread that may block.
    pub(super) fn new(
        file: fs::File,
        path: Option<&Path>,
        location: &'static Location<'static>,
    ) -> io::Result<Self> {
        let transfer = Transfer::new(file, path.map(Into::into), location)?;
        Ok(Self { transfer })
    }

    /// Takes over a file of the standard library. Its errors name no path.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::AsyncReadExt;
    /// use spinney::fs::File;
    ///
    /// let file = File::from_std(std::fs::File::open("/proc/self/comm").unwrap()).unwrap();
    /// let name = spinney::block_on(async move {
    ///     let mut file = file;
    ///     let mut name = Vec::new();
    ///     file.read_to_end(&mut name).await.map(|_| name)
    /// });
    /// assert!(!name.unwrap().is_empty());
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system.
    #[track_caller]
    pub fn from_std(file: fs::File) -> io::Result<Self> {
        Self::new(file, None, Location::caller())
    }

    /// The file of the standard library, when all is written, at the position up to which it was
    /// read.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::AsyncReadExt;
    /// use spinney::fs::File;
    /// use std::io::Read;
    ///
    /// let mut file = spinney::block_on(async {
    ///     let mut file = File::open("/etc/hostname").await?;
    ///     file.read_exact(&mut [0]).await?;
    ///     file.into_std().await
    /// }).unwrap();
    /// let mut rest = String::new();
    /// file.read_to_string(&mut rest).unwrap(); // all but the first byte
    /// assert_eq!(rest.len() as u64 + 1, file.metadata().unwrap().len());
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, and that of an earlier write. There must be room for one more
    /// descriptor.
    ///
    /// # Cancellation
    ///
    /// A file whose future is dropped is dropped.
    pub async fn into_std(mut self) -> io::Result<fs::File> {
        self.settle().await?;
        let behind = self.transfer.behind();
        let file = self.transfer.file().try_clone();
        file.map_err(|error| behind.failed(error, "keep open"))
    }

    /// A second file with the same position: what one reads or seeks moves the other one, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::AsyncReadExt;
    /// use spinney::fs::File;
    ///
    /// spinney::block_on(async {
    ///     let mut file = File::open("/etc/hostname").await?;
    ///     let mut other = file.try_clone().await?;
    ///     let mut text = String::new();
    ///     file.read_to_string(&mut text).await?;
    ///     assert_eq!(other.read(&mut [0]).await?, 0); // it is at the end, too
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, and that of an earlier write.
    ///
    /// # Cancellation
    ///
    /// As [`read`](crate::fs::read).
    pub async fn try_clone(&mut self) -> io::Result<Self> {
        self.settle().await?;
        let location = self.transfer.behind().location();
        let path = self.transfer.behind().path().map(Path::to_owned);
        self.call("open", move |file| {
            Self::new(file.try_clone()?, path.as_deref(), location)
        })
        .await
    }

    /// Waits until all that was written is on the device, contents and metadata.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::AsyncWriteExt;
    /// use spinney::fs::{self, File};
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-sync-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let mut file = File::create(&path).await?;
    ///     file.write_all(b"text").await?;
    ///     file.sync_all().await?;
    ///     fs::remove_file(path).await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, and that of an earlier write.
    ///
    /// # Cancellation
    ///
    /// As [`read`](crate::fs::read).
    pub async fn sync_all(&mut self) -> io::Result<()> {
        self.settle().await?;
        self.call("sync", fs::File::sync_all).await
    }

    /// As [`sync_all`](File::sync_all), without metadata that is not needed to read the contents.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::fs::{self, File};
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-data-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     File::create(&path).await?.sync_data().await?;
    ///     fs::remove_file(path).await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, and that of an earlier write.
    ///
    /// # Cancellation
    ///
    /// As [`read`](crate::fs::read).
    pub async fn sync_data(&mut self) -> io::Result<()> {
        self.settle().await?;
        self.call("sync", fs::File::sync_data).await
    }

    /// Cuts the file off, or fills it up with zeros, at so many bytes. The position stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::fs::{self, File};
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-len-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let mut file = File::create(&path).await?;
    ///     file.set_len(10).await?;
    ///     assert_eq!(file.metadata().await?.len(), 10);
    ///     fs::remove_file(path).await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, and that of an earlier write.
    ///
    /// # Cancellation
    ///
    /// As [`read`](crate::fs::read).
    pub async fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.settle().await?;
        self.call("set the length of", move |file| file.set_len(bytes))
            .await
    }

    /// What the system knows of the file, when all is written.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::fs::File;
    ///
    /// spinney::block_on(async {
    ///     assert!(File::open("/").await?.metadata().await?.is_dir());
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, and that of an earlier write.
    ///
    /// # Cancellation
    ///
    /// As [`read`](crate::fs::read).
    pub async fn metadata(&mut self) -> io::Result<Metadata> {
        self.settle().await?;
        self.call("read the metadata of", fs::File::metadata).await
    }

    /// Sets the permissions of the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::fs::{self, File};
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-perm-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let mut file = File::create(&path).await?;
    ///     let mut permissions = file.metadata().await?.permissions();
    ///     permissions.set_readonly(true);
    ///     file.set_permissions(permissions).await?;
    ///     assert!(file.metadata().await?.permissions().readonly());
    ///     fs::remove_file(path).await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, and that of an earlier write.
    ///
    /// # Cancellation
    ///
    /// As [`read`](crate::fs::read).
    pub async fn set_permissions(&mut self, permissions: Permissions) -> io::Result<()> {
        self.settle().await?;
        self.call("set the permissions of", |file| {
            file.set_permissions(permissions)
        })
        .await
    }

    /// All is written, and the position of the descriptor is that of the file.
    async fn settle(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.transfer.poll_flush(cx)).await?;
        if self.transfer.has_read_ahead() {
            let here = SeekFrom::Current(0);
            poll_fn(|cx| self.transfer.poll_seek(cx, here)).await?;
        }
        Ok(())
    }

    /// One call on the descriptor.
    fn call<T: Send + 'static>(
        &self,
        verb: &'static str,
        f: impl FnOnce(&fs::File) -> io::Result<T> + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send {
        let (file, behind) = (self.transfer.file(), Arc::clone(self.transfer.behind()));
        let location = behind.location();
        let call = move || f(&file).map_err(|error| behind.failed(error, verb));
        blocking_at(call, location)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let behind = self.transfer.behind();
        if behind.has_turn() && !is_in_group() {
            behind.wait();
        }
        behind.give_up();
    }
}

/// Whether a group is around this code, which waits for all that is given up here.
fn is_in_group() -> bool {
    frame::current(|frame| frame.is_some_and(|frame| frame.group().parent().is_some()))
}

impl AsFd for File {
    /// The descriptor. Its position is further on than that of the file, which reads ahead, and it
    /// may be written to meanwhile.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transfer.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("descriptor", &self.as_raw_fd())
            .field("path", &self.transfer.behind().path())
            .finish()
    }
}
