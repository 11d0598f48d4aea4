//! With `panic = "abort"` a blocked wait goes on where it would be unwound, and one for a child that can have no value
//! aborts and says why.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

const MESSAGE: &str = "spinney: a blocked wait for something that was cut can only be unwound, and this program aborts at panics";

/// The program, built once with the profile `abort`, beside what the tests were built into.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<std::path::PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).unwrap();
        let output = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args([
                "build",
                "--offline",
                "--profile",
                "abort",
                "--package",
                "abort-tests",
            ])
            .arg("--target-dir")
            .arg(target)
            // It would put a folder between.
            .env_remove("CARGO_BUILD_TARGET")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let name = format!("abort-tests{}", std::env::consts::EXE_SUFFIX);
        target.join("abort").join(name)
    })
}

fn run(case: &str) -> (Output, String) {
    let output = Command::new(program())
        .arg(case)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    match output.status.code() {
        Some(2) => panic!("the program unwinds at a panic"),
        Some(3) => panic!("it hangs"),
        Some(4) => panic!("the program does not know this case"),
        _ => {}
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, errors)
}

macro_rules! ends {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            let (output, errors) = run(stringify!($case));
            assert!(output.status.success() && errors.is_empty(), "{output:?}");
        }
    )*};
}

macro_rules! aborts {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            let (output, errors) = run(stringify!($case));
            #[cfg(unix)]
            {
                const SIGABRT: i32 = 6;
                let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
                assert_eq!(signal, Some(SIGABRT), "{output:?}");
            }
            assert!(!output.status.success(), "{output:?}");
            // Nothing else: a panic would say that it is one.
            assert_eq!(errors.trim_end(), MESSAGE);
        }
    )*};
}

ends!(
    groups_and_scopes_work
    the_error_of_a_child_comes_out
    a_wait_goes_on_when_its_group_is_cut
    a_wait_goes_on_when_its_task_is_cut
    a_wait_begins_in_a_group_that_was_cut
    a_wait_begins_in_a_task_that_was_cut
    what_a_cut_task_waits_for_runs_to_its_end
    what_a_cut_closure_waits_for_runs_to_its_end
);

aborts!(
    a_body_waits_for_a_child_that_was_cut
    a_scope_waits_for_a_child_that_was_cut
    a_task_waits_for_a_sibling_that_was_cut
    a_shield_awaits_a_sibling_that_was_cut
);
