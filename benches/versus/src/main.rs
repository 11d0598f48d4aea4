//! The same programs on spinney and on its peers.

fn main() {}
