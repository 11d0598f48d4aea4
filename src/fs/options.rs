//! How a file is to be opened.

use crate::fs::call;
use crate::fs::file::File;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::Location;
use std::path::Path;

/// How a file is to be opened: as [`std::fs::OpenOptions`], which can be turned into this.
///
/// # Examples
///
/// ```
/// use futures_lite::AsyncWriteExt;
/// use spinney::fs::{self, OpenOptions};
///
/// # let path = std::env::temp_dir().join(format!("spinney-options-{}", std::process::id()));
/// spinney::block_on(async {
///     for line in ["one\n", "two\n"] {
///         let mut log = OpenOptions::new().append(true).create(true).open(&path).await?;
///         log.write_all(line.as_bytes()).await?;
///         log.flush().await?;
///     }
///     assert_eq!(fs::read(&path).await?, b"one\ntwo\n");
///     fs::remove_file(path).await
/// }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(fs::OpenOptions);

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<fs::OpenOptions> for OpenOptions {
    fn from(options: fs::OpenOptions) -> Self {
        Self(options)
    }
}

/// Options that are passed on as they are.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident($type:ty);)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, value: $type) -> &mut Self {
            self.0.$name(value);
            self
        }
    )*};
}

impl OpenOptions {
    /// Nothing is asked for yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::fs::OpenOptions;
    ///
    /// spinney::block_on(async {
    ///     assert!(OpenOptions::new().open("/etc/hostname").await.is_err());
    ///     assert!(OpenOptions::new().read(true).open("/etc/hostname").await.is_ok());
    /// });
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self(fs::OpenOptions::new())
    }

    options! {
        /// The file can be read.
        ///
        /// # Examples
        ///
        /// ```
        /// spinney::fs::OpenOptions::new().read(true);
        /// ```
        read(bool);
        /// The file can be written.
        ///
        /// # Examples
        ///
        /// ```
        /// spinney::fs::OpenOptions::new().write(true);
        /// ```
        write(bool);
        /// Each write goes to the end of the file.
        ///
        /// # Examples
        ///
        /// ```
        /// spinney::fs::OpenOptions::new().append(true);
        /// ```
        append(bool);
        /// The former contents go away.
        ///
        /// # Examples
        ///
        /// ```
        /// spinney::fs::OpenOptions::new().write(true).truncate(true);
        /// ```
        truncate(bool);
        /// The file is made if it is not there.
        ///
        /// # Examples
        ///
        /// ```
        /// spinney::fs::OpenOptions::new().write(true).create(true);
        /// ```
        create(bool);
        /// The file is made, and must not be there.
        ///
        /// # Examples
        ///
        /// ```
        /// spinney::fs::OpenOptions::new().write(true).create_new(true);
        /// ```
        create_new(bool);
        /// The permissions of a file that is made, less the mask of the process.
        ///
        /// # Examples
        ///
        /// ```
        /// spinney::fs::OpenOptions::new().write(true).create(true).mode(0o600);
        /// ```
        mode(u32);
        /// Further flags of the system's call (`O_NOFOLLOW`, for instance).
        ///
        /// # Examples
        ///
        /// ```
        /// spinney::fs::OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW);
        /// ```
        custom_flags(i32);
    }

    /// Opens a file in this way.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::fs::OpenOptions;
    ///
    /// spinney::block_on(async {
    ///     let folder = OpenOptions::new().write(true).open("/").await.unwrap_err();
    ///     assert_eq!(folder.kind(), std::io::ErrorKind::IsADirectory);
    ///     assert!(folder.to_string().starts_with("cannot open \"/\": "));
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system; the text names the path.
    ///
    /// # Cancellation
    ///
    /// As [`read`](crate::fs::read). A file that was opened for a future which is gone is closed.
    #[track_caller]
    pub fn open<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl Future<Output = io::Result<File>> + Send + use<P> {
        let options = self.0.clone();
        let location = Location::caller();
        call::on("open", path.as_ref(), move |path| {
            File::new(options.open(path)?, Some(path), location)
        })
    }
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::AsyncReadExt;
    ///
    /// spinney::block_on(async {
    ///     let mut file = spinney::fs::File::open("/proc/self/comm").await?;
    ///     let mut name = String::new();
    ///     file.read_to_string(&mut name).await?;
    ///     assert!(name.ends_with('\n'));
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
    /// As [`read`](crate::fs::read). A file that was opened for a future which is gone is closed.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> impl Future<Output = io::Result<Self>> + Send {
        OpenOptions::new().read(true).open(path)
    }

    /// Makes a file to write it, or opens one that is there and empties it.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::AsyncWriteExt;
    /// use spinney::fs::{self, File};
    ///
    /// # let path = std::env::temp_dir().join(format!("spinney-create-{}", std::process::id()));
    /// spinney::block_on(async {
    ///     let mut file = File::create(&path).await?;
    ///     file.write_all(b"text").await?;
    ///     file.flush().await?;
    ///     assert_eq!(fs::read(&path).await?, b"text");
    ///     fs::remove_file(path).await
    /// }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system; the text names the path.
    ///
    /// # Cancellation
    ///
    /// As [`open`](File::open).
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> impl Future<Output = io::Result<Self>> + Send {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).open(path)
    }

    /// How a file is to be opened, nothing of which is said yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use spinney::fs::File;
    ///
    /// spinney::block_on(async {
    ///     let taken = File::options().write(true).create_new(true).open("/proc").await;
    ///     assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    /// });
    /// ```
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }
}
