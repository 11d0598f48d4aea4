//! Must be refused: a constant is copied wherever it is named: it has no address to be the key.
//! Expected: E0492, a reference to a temporary with interior mutability.

#![allow(unused)]

use spinney::TaskLocal;

const NUMBER: &TaskLocal<u32> = &TaskLocal::new();

fn main() {}
