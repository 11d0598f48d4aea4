//! Whole files, in one closure each.

use crate::fs::call;
use std::fs;
use std::io;
use std::path::Path;

/// Reads a whole file.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     let name = spinney::fs::read("/proc/self/comm").await?;
///     assert!(name.ends_with(b"\n"));
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
/// A call that waits for a thread is not made. One that was begun is joined: by a task that is cut,
/// or, if the future is dropped early, by the group around it.
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> impl Future<Output = io::Result<Vec<u8>>> + Send {
    call::on("read", path.as_ref(), |path| fs::read(path))
}

/// Reads a whole file as text.
///
/// # Examples
///
/// ```
/// spinney::block_on(async {
///     let missing = spinney::fs::read_to_string("/no/such/file").await.unwrap_err();
///     assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
///     assert!(missing.to_string().starts_with("cannot read \"/no/such/file\": "));
/// });
/// ```
///
/// # Errors
///
/// Those of the system; [`InvalidData`](io::ErrorKind::InvalidData) if it is not UTF-8. The text
/// names the path.
///
/// # Cancellation
///
/// As [`read`].
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> impl Future<Output = io::Result<String>> + Send {
    call::on("read", path.as_ref(), |path| fs::read_to_string(path))
}

/// Makes a file with these contents, or replaces those of a file that is there.
///
/// Vectors and strings are taken over, slices are copied.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// # let file = std::env::temp_dir().join(format!("spinney-write-{}", std::process::id()));
/// spinney::block_on(async {
///     fs::write(&file, "text").await?;
///     assert_eq!(fs::read(&file).await?, b"text");
///     fs::remove_file(file).await
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system; the text names the path. Bytes that were written before an error stay
/// there.
///
/// # Cancellation
///
/// As [`read`]: a cut does not stop it halfway. The contents may still be in memory of the system
/// when it has ended; [`File::sync_all`](crate::fs::File::sync_all) waits for the device.
#[track_caller]
pub fn write(
    path: impl AsRef<Path>,
    contents: impl Into<Vec<u8>>,
) -> impl Future<Output = io::Result<()>> + Send {
    let contents = contents.into();
    call::on("write", path.as_ref(), move |path| {
        fs::write(path, contents)
    })
}

/// Copies the contents and the permissions of a file to another one, which is replaced; returns the
/// bytes that were copied.
///
/// # Examples
///
/// ```
/// use spinney::fs;
///
/// # let file = std::env::temp_dir().join(format!("spinney-copy-{}", std::process::id()));
/// spinney::block_on(async {
///     let count = fs::copy("/etc/hostname", &file).await?;
///     assert_eq!(count, fs::metadata(&file).await?.len());
///     fs::remove_file(file).await
/// }).unwrap();
/// ```
///
/// # Errors
///
/// Those of the system; the text names both paths.
///
/// # Cancellation
///
/// As [`read`]: a cut does not stop it halfway.
#[track_caller]
pub fn copy(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
) -> impl Future<Output = io::Result<u64>> + Send {
    call::between("copy", from.as_ref(), to.as_ref(), |from, to| {
        fs::copy(from, to)
    })
}
