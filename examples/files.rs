//! A file walker: the folders of a level are children side by side, and no worker waits for a disk.

use spinney::{Group, block_on, fs, try_group};
use std::{io, path::PathBuf};

/// The folders in a folder, and the lines of its Rust files.
async fn look_into(folder: PathBuf) -> io::Result<(Vec<PathBuf>, usize)> {
    let (mut folders, mut lines) = (Vec::new(), 0);
    let mut entries = fs::read_dir(folder).await?;
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type().await?.is_dir() {
            folders.push(path);
        } else if path.extension().is_some_and(|end| end == "rs") {
            lines += fs::read_to_string(path).await?.lines().count();
        }
    }
    Ok((folders, lines))
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let counted = block_on(try_group(async |g: Group<'_, '_, io::Error>| {
        let (mut level, mut folders, mut lines) = (vec![root], 0, 0);
        while !level.is_empty() {
            let looks: Vec<_> = level.drain(..).map(|at| g.spawn(look_into(at))).collect();
            for look in looks {
                let (inner, count) = look.await; // an error ends the group
                level.extend(inner);
                (folders, lines) = (folders + 1, lines + count);
            }
        }
        Ok((folders, lines))
    }));
    let (folders, lines) = counted.unwrap();
    println!("{lines} lines of Rust in {folders} folders");
}
