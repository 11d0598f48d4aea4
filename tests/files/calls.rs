//! The calls on paths: they do what the standard library does, and their errors name the path.

use crate::common::place::Place;
use crate::common::process::{alone, entries, limit_descriptors};
use crate::common::runtimes::{noting, workers};
use rustix::process::{Resource, getrlimit, setrlimit};
use spinney::fs::{self, File};
use spinney::{Runtime, block_on, group};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::thread;

#[test]
fn each_call_does_what_its_namesake_does() {
    let place = Place::new();
    block_on(async {
        let at = |name| place.at(name);
        fs::create_dir(at("a")).await?;
        fs::create_dir_all(at("a/b/c")).await?;
        fs::write(at("a/one"), "text").await?;
        assert_eq!(fs::read(at("a/one")).await?, b"text");
        assert_eq!(fs::read_to_string(at("a/one")).await?, "text");
        assert_eq!(fs::copy(at("a/one"), at("two")).await?, 4);
        fs::rename(at("two"), at("three")).await?;
        fs::hard_link(at("three"), at("four")).await?;
        fs::symlink("four", at("five")).await?;
        assert_eq!(fs::read_link(at("five")).await?.to_str(), Some("four"));
        let real = std::fs::canonicalize(at("four"))?;
        assert_eq!(fs::canonicalize(at("five")).await?, real);
        assert!(fs::symlink_metadata(at("five")).await?.is_symlink());
        let mut found = fs::metadata(at("five")).await?;
        assert_eq!((found.is_file(), found.len()), (true, 4));
        let mut permissions = found.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(at("four"), permissions).await?;
        found = fs::metadata(at("three")).await?; // the same file
        assert!(found.permissions().readonly());
        assert!(fs::try_exists(at("three")).await?);
        fs::remove_file(at("three")).await?;
        assert!(!fs::try_exists(at("three")).await?);
        fs::remove_dir(at("a/b/c")).await?;
        fs::remove_dir_all(at("a")).await?;
        assert!(!at("a").exists());
        Ok::<(), io::Error>(())
    })
    .unwrap();
}

#[track_caller]
fn says(error: &io::Error, kind: ErrorKind, text: &str) {
    assert_eq!(error.kind(), kind, "{error}");
    let said = error.to_string();
    assert!(said.starts_with(text), "{said}");
    assert!(error.get_ref().unwrap().source().is_some());
}

#[test]
fn errors_name_what_was_tried_on_which_path() {
    let place = Place::new();
    let missing = place.at("missing");
    let shown = format!("{missing:?}: ");
    block_on(async {
        let error = fs::read(&missing).await.unwrap_err();
        says(&error, ErrorKind::NotFound, &format!("cannot read {shown}"));
        let error = File::open(&missing).await.unwrap_err();
        says(&error, ErrorKind::NotFound, &format!("cannot open {shown}"));
        let error = fs::rename(&missing, "/b").await.unwrap_err();
        let text = format!("cannot rename {missing:?} to \"/b\": ");
        says(&error, ErrorKind::NotFound, &text);
        let error = fs::read_dir(&missing).await.unwrap_err();
        let text = format!("cannot read the folder {shown}");
        says(&error, ErrorKind::NotFound, &text);
        // A path that the system cannot even be asked for.
        for error in [
            fs::read("a\0b").await.unwrap_err(),
            File::create("a\0b").await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("\"a\\0b\""), "{error}");
        }
        let error = fs::read_to_string(place.path()).await.unwrap_err();
        let text = format!("cannot read {:?}: ", place.path());
        says(&error, ErrorKind::IsADirectory, &text);
    });
}

#[test]
fn calls_run_beside_each_other_and_on_no_worker() {
    let (runtime, _) = noting(Runtime::builder().workers(1).on_thread_start(|| {
        let name = thread::current().name().map(str::to_owned);
        assert!(name.is_some());
    }));
    let place = Place::new();
    let read = runtime.block_on(group(async |g| {
        let pipes = ["a", "b"].map(|name| place.pipe(name));
        // Each waits until the other end is opened.
        let reads = pipes
            .clone()
            .map(|pipe| g.spawn(async { Ok(fs::read(pipe).await) }));
        let writes = pipes.map(|pipe| g.spawn(async { Ok(fs::write(pipe, "x").await) }));
        for write in writes {
            write.await.unwrap();
        }
        let mut all = Vec::new();
        for read in reads {
            all.extend(read.await.unwrap());
        }
        all
    }));
    assert_eq!(read, b"xx");
}

/// Without a descriptor each kind of open fails by name, nothing is left behind, and all goes on
/// when there is one again.
#[test]
fn without_descriptors_every_open_says_so() {
    alone(|| {
        let (runtime, _) = workers(1);
        let place = Place::new();
        let file = place.at("file");
        runtime.block_on(async {
            fs::write(&file, "text").await.unwrap();
            let open = entries("/proc/self/fd");
            let limit = getrlimit(Resource::Nofile);
            // The lowest number that is free, which is the one that the next file would have.
            let free = std::fs::File::open(&file).unwrap().as_raw_fd();
            limit_descriptors(free as u64);
            let errors = [
                fs::read(&file).await.unwrap_err(),
                fs::write(&file, "new").await.unwrap_err(),
                fs::copy(&file, place.at("copy")).await.unwrap_err(),
                fs::read_dir(place.path()).await.map(drop).unwrap_err(),
                File::open(&file).await.map(drop).unwrap_err(),
                File::create(&file).await.map(drop).unwrap_err(),
            ];
            setrlimit(Resource::Nofile, limit).unwrap();
            for error in errors {
                let source = error.get_ref().unwrap().source().unwrap();
                let source = source.downcast_ref::<io::Error>().unwrap();
                assert_eq!(source.raw_os_error(), Some(libc::EMFILE), "{error}");
                assert!(
                    error.to_string().contains(place.path().to_str().unwrap()),
                    "{error}"
                );
            }
            assert_eq!(entries("/proc/self/fd"), open);
            assert_eq!(fs::read(&file).await.unwrap(), b"text");
        });
    });
}
