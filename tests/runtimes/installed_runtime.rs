//! A global runtime that is installed before its first use. In a process of its own.

use crate::common::process::alone;
use spinney::{Runtime, block_on, group};
use std::thread;

#[test]
fn free_functions_use_the_runtime_that_was_installed() {
    alone(|| {
        let builder = Runtime::builder().workers(1).thread_name("installed");
        let installed = builder.callers_take_part(false).build().unwrap();
        assert!(installed.install_global().is_ok());
        let where_children_run = || {
            block_on(group(async |g| {
                g.spawn(async { Ok(thread::current().name().unwrap().to_owned()) })
                    .await
            }))
        };
        assert_eq!(where_children_run(), "installed-0");
        let second = Runtime::builder().workers(1).build().unwrap();
        assert!(second.install_global().is_err());
        let elsewhere = thread::spawn(where_children_run).join().unwrap();
        assert_eq!(elsewhere, "installed-0");
    });
}
