//! Who tests spinney compiles none of its peers.

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

fn packages(lock: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(lock)).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("name = "));
    names
        .map(|name| name.trim_matches('"').to_owned())
        .collect()
}

#[test]
fn the_workspace_depends_on_no_peer() {
    let here = packages("Cargo.lock");
    assert!(here.contains(&"spinney".to_owned()));
    assert!(!here.contains(&"versus".to_owned()));
    let versus = packages("benches/versus/Cargo.lock");
    for peer in PEERS.map(str::to_owned) {
        assert!(!here.contains(&peer), "{peer} is compiled by every test");
        assert!(versus.contains(&peer), "{peer} is no peer any more");
    }
}
