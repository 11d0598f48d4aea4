//! Programs that must be refused, each for its stated reason, and their accepted twins.

/// The recorded messages are those of one compiler; on another one they say nothing.
const RECORDED_WITH: &str = "rustc 1.95.";

#[test]
#[expect(clippy::print_stdout, reason = "a skip must be seen")]
fn accepted_and_refused_programs() {
    let version = std::process::Command::new(option_env!("RUSTC").unwrap_or("rustc"))
        .arg("--version")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout);
    if !version.starts_with(RECORDED_WITH) {
        println!("skipped: the messages were recorded with {RECORDED_WITH}x, this is {version}");
        return;
    }
    let programs = trybuild::TestCases::new();
    programs.pass("tests/ui/accept/*.rs");
    programs.compile_fail("tests/ui/reject/*.rs");
}
