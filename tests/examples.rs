//! Every acceptance program runs as it stands and exits with 0.

use std::path::PathBuf;
use std::process::Command;

/// `cargo test` builds the examples beside the test binaries.
fn examples() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples")
}

macro_rules! run {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let program = examples().join(stringify!($name));
            let output = Command::new(&program).output().unwrap_or_else(|error| {
                panic!("{} does not start: {error}", program.display())
            });
            assert!(output.status.success(), "{output:?}");
        }
    )*};
}

run!(
    borrow cleanup cut_unpolled deadline fan_out happy_eyeballs late_defer map_reduce migrated_group nested pipeline runtime
    server service start
    supervisor task_set
    bounded generator restart run_in task_locals why
);
