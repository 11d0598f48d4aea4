//! The entries of a folder, as a stream that fetches entries in batches.

use crate::api::child::closures::blocking_at;
use crate::fs::call;
use crate::poll::budget;
use crate::sync::Arc;
use futures_core::Stream;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, FileType, Metadata};
use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

/// Entries of a batch: they take about 50 us then, of which the way to a thread and back is a
/// fifth.
const BATCH: usize = 256;

/// Reads the entries of a folder.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     let mut entries = spinney::fs::read_dir("/proc/self").await?;
///     let mut names = Vec::new();
///     while let Some(entry) = entries.next().await {
///         names.push(entry?.file_name());
///     }
///     assert!(names.contains(&"fd".into()));
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system; the text names the path.
///
/// # Cancellation
///
/// As [`read`](crate::fs::read).
#[track_caller]
pub fn read_dir(path: impl AsRef<Path>) -> impl Future<Output = io::Result<ReadDir>> + Send {
    let location = Location::caller();
    call::on("read the folder", path.as_ref(), move |path| {
        let path: Arc<Path> = path.into();
        let rest = fs::read_dir(&path)?;
        Ok(ReadDir(State::Here(Batch::fetch(rest, path, location))))
    })
}

/// The entries of a folder, but for `.` and `..`: a stream, in the order of the system.
///
/// 256 entries are fetched at a time, the first ones by [`read_dir`] itself.
///
/// # Examples
///
/// ```
/// use futures_lite::StreamExt;
/// use spinney::fs::ReadDir;
///
/// async fn count(entries: ReadDir) -> usize {
///     entries.filter(|entry| entry.is_ok()).count().await
/// }
///
/// let open = spinney::block_on(async {
///     count(spinney::fs::read_dir("/proc/self/fd").await.unwrap()).await
/// });
/// assert!(open > 0);
/// ```
pub struct ReadDir(State);

enum State {
    Here(Batch),
    Coming(Pin<Box<dyn Future<Output = Batch> + Send>>),
    Over,
}

/// Entries that were fetched, and where the next ones come from.
struct Batch {
    entries: vec::IntoIter<io::Result<DirEntry>>,
    rest: Option<fs::ReadDir>,
    path: Arc<Path>,
    /// Where the folder was asked for.
    location: &'static Location<'static>,
}

impl Batch {
    /// Called on a thread that may block.
    fn fetch(mut rest: fs::ReadDir, path: Arc<Path>, location: &'static Location<'static>) -> Self {
        let mut entries = Vec::new();
        let mut over = false;
        while entries.len() < BATCH && !over {
            match rest.next() {
                Some(Ok(entry)) => entries.push(Ok(DirEntry::new(entry))),
                Some(Err(error)) => entries.push(Err(call::at(error, "read the folder", &path))),
                None => over = true,
            }
        }
        Self {
            entries: entries.into_iter(),
            rest: (!over).then_some(rest),
            path,
            location,
        }
    }
}

impl ReadDir {
    /// The next entry; `None` at the end.
    ///
    /// # Examples
    ///
    /// ```
    /// spinney::block_on(async {
    ///     let mut entries = spinney::fs::read_dir("/proc/self").await?;
    ///     assert!(entries.next().await.unwrap()?.path().starts_with("/proc/self"));
    ///     Ok::<(), std::io::Error>(())
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system; the text names the folder.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no entry.
    pub async fn next(&mut self) -> Option<io::Result<DirEntry>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let state = &mut self.get_mut().0;
        budget::poll(cx, |cx| {
            loop {
                let next = match state {
                    State::Here(batch) => {
                        if let Some(entry) = batch.entries.next() {
                            return Poll::Ready(Some(entry));
                        }
                        batch.rest.take().map_or(State::Over, |rest| {
                            let (path, location) = (Arc::clone(&batch.path), batch.location);
                            let fetch = move || Batch::fetch(rest, path, location);
                            State::Coming(Box::pin(blocking_at(fetch, location)))
                        })
                    }
                    State::Coming(batch) => State::Here(ready!(batch.as_mut().poll(cx))),
                    State::Over => return Poll::Ready(None),
                };
                *state = next;
            }
        })
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").finish_non_exhaustive()
    }
}

/// An entry of a folder.
///
/// # Examples
///
/// ```
/// use spinney::fs::{DirEntry, read_dir};
///
/// async fn bytes(entry: &DirEntry) -> std::io::Result<u64> {
///     match entry.file_type().await?.is_file() {
///         true => Ok(entry.metadata().await?.len()),
///         false => Ok(0),
///     }
/// }
///
/// spinney::block_on(async {
///     let mut entries = read_dir("/proc/self").await?;
///     let first = entries.next().await.unwrap()?;
///     assert_eq!(bytes(&first).await?, 0); // files there have no length
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
pub struct DirEntry {
    entry: Arc<fs::DirEntry>,
    /// Most file systems say it together with the name.
    file_type: Option<FileType>,
}

impl DirEntry {
    fn new(entry: fs::DirEntry) -> Self {
        Self {
            file_type: entry.file_type().ok(),
            entry: Arc::new(entry),
        }
    }

    /// The path: that of the folder, and the name.
    ///
    /// # Examples
    ///
    /// ```
    /// # spinney::block_on(async {
    /// let mut entries = spinney::fs::read_dir("/proc/self/task").await?;
    /// let entry = entries.next().await.unwrap()?;
    /// assert!(entry.path().starts_with("/proc/self/task"));
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// The name.
    ///
    /// # Examples
    ///
    /// ```
    /// # spinney::block_on(async {
    /// let mut entries = spinney::fs::read_dir("/proc/self/task").await?;
    /// let thread = entries.next().await.unwrap()?.file_name();
    /// assert!(thread.to_str().unwrap().parse::<u32>().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// Whether it is a file, a folder, a symbolic link (which is not followed), or something else.
    ///
    /// Most file systems have said so together with the name; then it is ready at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # spinney::block_on(async {
    /// let mut entries = spinney::fs::read_dir("/proc/self/task").await?;
    /// assert!(entries.next().await.unwrap()?.file_type().await?.is_dir());
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system; the text names the path.
    ///
    /// # Cancellation
    ///
    /// As [`read`](crate::fs::read).
    pub async fn file_type(&self) -> io::Result<FileType> {
        poll_fn(budget::spend).await;
        match self.file_type {
            Some(file_type) => Ok(file_type),
            None => Ok(self.metadata().await?.file_type()),
        }
    }

    /// What the system knows of the entry; a symbolic link is not followed.
    ///
    /// # Examples
    ///
    /// ```
    /// # spinney::block_on(async {
    /// let mut entries = spinney::fs::read_dir("/proc/self/task").await?;
    /// assert!(entries.next().await.unwrap()?.metadata().await?.is_dir());
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system; the text names the path.
    ///
    /// # Cancellation
    ///
    /// As [`read`](crate::fs::read).
    #[track_caller]
    pub fn metadata(&self) -> impl Future<Output = io::Result<Metadata>> + Send + use<> {
        let entry = Arc::clone(&self.entry);
        let read = move |_: &Path| entry.metadata();
        call::on("read the metadata of", &self.path(), read)
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}
