//! Calls on paths.
//!
//! Each is one closure, as [`read`](crate::fs::read) is: a cut reaches it in the line for a thread,
//! and once it was begun it is joined.

use crate::fs::call;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

/// What the system knows of a file, behind symbolic links: its length, kind, times, permissions.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     assert!(spinney::fs::metadata("/").await?.is_dir());
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
pub fn metadata(path: impl AsRef<Path>) -> impl Future<Output = io::Result<Metadata>> + Send {
    call::on("read the metadata of", path.as_ref(), |path| {
        fs::metadata(path)
    })
}

/// As [`metadata`], of a symbolic link itself.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     let link = spinney::fs::symlink_metadata("/proc/self").await?;
///     assert!(link.is_symlink());
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
pub fn symlink_metadata(
    path: impl AsRef<Path>,
) -> impl Future<Output = io::Result<Metadata>> + Send {
    call::on("read the metadata of", path.as_ref(), |path| {
        fs::symlink_metadata(path)
    })
}

/// Whether there is something at this path, behind symbolic links.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     assert!(!spinney::fs::try_exists("/no/such/file").await?);
///     Ok::<(), std::io::Error>(())
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system, if it does not say: no permission to look there, for instance. The text
/// names the path.
///
/// # Cancellation
///
/// As [`read`](crate::fs::read).
#[track_caller]
pub fn try_exists(path: impl AsRef<Path>) -> impl Future<Output = io::Result<bool>> + Send {
    call::on("look for", path.as_ref(), Path::try_exists)
}

/// The absolute path without symbolic links and dots.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     assert_eq!(spinney::fs::canonicalize("/dev/..").await?.to_str(), Some("/"));
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
pub fn canonicalize(path: impl AsRef<Path>) -> impl Future<Output = io::Result<PathBuf>> + Send {
    call::on("resolve", path.as_ref(), |path| fs::canonicalize(path))
}

/// What a symbolic link points to.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     let number = spinney::fs::read_link("/proc/self").await?;
///     assert_eq!(number.to_str(), Some(&*std::process::id().to_string()));
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
pub fn read_link(path: impl AsRef<Path>) -> impl Future<Output = io::Result<PathBuf>> + Send {
    call::on("read the link", path.as_ref(), |path| fs::read_link(path))
}

/// Makes a folder.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// # let folder = std::env::temp_dir().join(format!("spinney-dir-{}", std::process::id()));
/// spinney::block_on(async {
///     fs::create_dir(&folder).await?;
///     let again = fs::create_dir(&folder).await.unwrap_err();
///     assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
///     fs::remove_dir(&folder).await
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
pub fn create_dir(path: impl AsRef<Path>) -> impl Future<Output = io::Result<()>> + Send {
    call::on("create the folder", path.as_ref(), |path| {
        fs::create_dir(path)
    })
}

/// Makes a folder, and those above it that are not there yet.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// # let folder = std::env::temp_dir().join(format!("spinney-dirs-{}", std::process::id()));
/// spinney::block_on(async {
///     fs::create_dir_all(folder.join("a/b")).await?;
///     fs::remove_dir_all(folder).await
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system; the text names the path.
///
/// # Cancellation
///
/// As [`read`](crate::fs::read): a cut does not stop it halfway.
#[track_caller]
pub fn create_dir_all(path: impl AsRef<Path>) -> impl Future<Output = io::Result<()>> + Send {
    call::on("create the folder", path.as_ref(), |path| {
        fs::create_dir_all(path)
    })
}

/// Removes a file.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// spinney::block_on(async {
///     let error = fs::remove_file("/no/such/file").await.unwrap_err();
///     assert!(error.to_string().starts_with("cannot remove \"/no/such/file\": "));
/// });
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
pub fn remove_file(path: impl AsRef<Path>) -> impl Future<Output = io::Result<()>> + Send {
    call::on("remove", path.as_ref(), |path| fs::remove_file(path))
}

/// Removes an empty folder.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     assert!(spinney::fs::remove_dir("/proc/self").await.is_err());
/// });
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
pub fn remove_dir(path: impl AsRef<Path>) -> impl Future<Output = io::Result<()>> + Send {
    call::on("remove the folder", path.as_ref(), |path| {
        fs::remove_dir(path)
    })
}

/// Removes a folder and all that is in it; symbolic links in it are not followed.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// # let folder = std::env::temp_dir().join(format!("spinney-tree-{}", std::process::id()));
/// spinney::block_on(async {
///     fs::create_dir_all(folder.join("a/b")).await?;
///     fs::remove_dir_all(&folder).await?;
///     assert!(!fs::try_exists(folder).await?);
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
/// As [`read`](crate::fs::read): a cut does not stop it halfway.
#[track_caller]
pub fn remove_dir_all(path: impl AsRef<Path>) -> impl Future<Output = io::Result<()>> + Send {
    call::on("remove the folder", path.as_ref(), |path| {
        fs::remove_dir_all(path)
    })
}

/// Gives a file or a folder another name, in the same file system; a file that has it is replaced.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// # let folder = std::env::temp_dir().join(format!("spinney-rename-{}", std::process::id()));
/// spinney::block_on(async {
///     fs::create_dir(&folder).await?;
///     fs::write(folder.join("new"), "text").await?;
///     fs::rename(folder.join("new"), folder.join("old")).await?;
///     assert_eq!(fs::read_to_string(folder.join("old")).await?, "text");
///     fs::remove_dir_all(folder).await
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system; the text names both paths.
///
/// # Cancellation
///
/// As [`read`](crate::fs::read).
#[track_caller]
pub fn rename(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
) -> impl Future<Output = io::Result<()>> + Send {
    call::between("rename", from.as_ref(), to.as_ref(), |from, to| {
        fs::rename(from, to)
    })
}

/// Gives a file one more name, `link`, in the same file system.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// # let folder = std::env::temp_dir().join(format!("spinney-link-{}", std::process::id()));
/// spinney::block_on(async {
///     fs::create_dir(&folder).await?;
///     fs::write(folder.join("one"), "text").await?;
///     fs::hard_link(folder.join("one"), folder.join("two")).await?;
///     assert_eq!(fs::read(folder.join("two")).await?, b"text");
///     fs::remove_dir_all(folder).await
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system; the text names both paths.
///
/// # Cancellation
///
/// As [`read`](crate::fs::read).
#[track_caller]
pub fn hard_link(
    original: impl AsRef<Path>,
    link: impl AsRef<Path>,
) -> impl Future<Output = io::Result<()>> + Send {
    call::between(
        "link",
        original.as_ref(),
        link.as_ref(),
        |original, link| fs::hard_link(original, link),
    )
}

/// Makes a symbolic link at `link`, which points to `original`.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// # let link = std::env::temp_dir().join(format!("spinney-symlink-{}", std::process::id()));
/// spinney::block_on(async {
///     fs::symlink("/", &link).await?;
///     assert_eq!(fs::read_link(&link).await?.to_str(), Some("/"));
///     fs::remove_file(link).await
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system; the text names both paths.
///
/// # Cancellation
///
/// As [`read`](crate::fs::read).
#[track_caller]
pub fn symlink(
    original: impl AsRef<Path>,
    link: impl AsRef<Path>,
) -> impl Future<Output = io::Result<()>> + Send {
    call::between(
        "link",
        original.as_ref(),
        link.as_ref(),
        |original, link| std::os::unix::fs::symlink(original, link),
    )
}

/// Sets the permissions of a file or a folder.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// # let file = std::env::temp_dir().join(format!("spinney-mode-{}", std::process::id()));
/// spinney::block_on(async {
///     fs::write(&file, "text").await?;
///     let mut permissions = fs::metadata(&file).await?.permissions();
///     permissions.set_readonly(true);
///     fs::set_permissions(&file, permissions).await?;
///     assert!(fs::metadata(&file).await?.permissions().readonly());
///     fs::remove_file(file).await
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
pub fn set_permissions(
    path: impl AsRef<Path>,
    permissions: Permissions,
) -> impl Future<Output = io::Result<()>> + Send {
    call::on("set the permissions of", path.as_ref(), |path| {
        fs::set_permissions(path, permissions)
    })
}
