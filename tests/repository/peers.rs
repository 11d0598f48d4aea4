//! Who tests spinney compiles none of its peers, and nobody else's libraries.

use super::files::root;
use std::fs;

/// Those of `benches/versus` that nothing else here needs.
const PEERS: [&str; 6] = [
    "async-executor",
    "chili",
    "forte",
    "mimalloc",
    "plotters",
    "rayon",
];

/// Those of `interop` that nothing else here needs.
const LIBRARIES: [&str; 6] = ["axum", "moka", "quinn", "rustls", "sqlx", "tonic"];

fn packages(lock: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(lock)).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("name = "));
    names
        .map(|name| name.trim_matches('"').to_owned())
        .collect()
}

#[test]
fn the_workspace_depends_on_no_peer_and_no_other_library() {
    let here = packages("Cargo.lock");
    assert!(here.contains(&"spinney".to_owned()));
    let apart = [
        ("versus", "benches/versus/Cargo.lock", PEERS),
        ("interop", "interop/Cargo.lock", LIBRARIES),
    ];
    for (package, lock, others) in apart {
        assert!(!here.contains(&package.to_owned()));
        let there = packages(lock);
        for other in others.map(str::to_owned) {
            assert!(!here.contains(&other), "{other} is compiled by every test");
            assert!(
                there.contains(&other),
                "{other} is not in {package} any more"
            );
        }
    }
}
