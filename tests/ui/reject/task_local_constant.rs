//! Must be refused: a constant is copied to wherever it is named, so it has no address of its own that could be the key.
//! Expected: E0492, a reference to a temporary with interior mutability.

#![allow(unused)]

use spinney::TaskLocal;

const NUMBER: &TaskLocal<u32> = &TaskLocal::new();

fn main() {}
