//! notify: changes of files, told by a thread of the library's through a channel.

use crate::common::place::Place;
use crate::common::process::alone;
use crate::trial::Trial;
use async_channel::{Receiver, unbounded};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher, recommended_watcher};
use std::fs;
use std::path::Path;

fn watch(path: &Path) -> (RecommendedWatcher, Receiver<notify::Result<Event>>) {
    let (say, said) = unbounded();
    let mut watcher = recommended_watcher(move |event| {
        let _ = say.try_send(event);
    })
    .unwrap();
    watcher.watch(path, RecursiveMode::NonRecursive).unwrap();
    (watcher, said)
}

#[test]
fn notify() {
    alone(|| {
        let place = Place::new();
        let path = place.path().to_owned();
        // A watcher's thread ends, and closes its descriptors, after the watcher is dropped.
        Trial::default().closes_later().run(
            || {
                let path = path.clone();
                async move {
                    let (_watcher, said) = watch(&path);
                    fs::write(path.join("new"), "text").unwrap();
                    loop {
                        let event = said.recv().await.unwrap().unwrap();
                        if event.paths == [path.join("new")] && event.kind.is_create() {
                            break;
                        }
                    }
                    fs::remove_file(path.join("new")).unwrap();
                }
            },
            |middle| {
                let path = path.clone();
                async move {
                    let (_watcher, said) = watch(&path);
                    let _ = middle.amid(said.recv()).await;
                }
            },
        );
    });
}
