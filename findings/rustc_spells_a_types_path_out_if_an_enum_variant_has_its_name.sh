#!/usr/bin/env bash
# A public enum's variant with the name of a public type makes the compiler spell that type's path out in its messages.
#
# Package: rustc 1.95.0 on proc-macro2 1.0.107
# Guessed: in `the trait bound `Group: Copy` is not satisfied` a type of another crate has its short name wherever no
#   second type of that name is in reach. A variant has the name of its enum in front, so it is no second one.
# Behaviour: variants count. `TokenTree` has the variants Group, Ident and Punct, so the types of these names are
#   written as `proc_macro2::Group` and so on; `TokenStream`, after which no variant is named, is short. So a variant
#   that is added somewhere in a crate changes the messages about a type of that name, and recorded ones with them.
#   (The label of mismatched types, `found `Group``, is always short.)
# Seen:
#   error[E0277]: the trait bound `proc_macro2::Group: Copy` is not satisfied
#   error[E0277]: the trait bound `proc_macro2::Ident: Copy` is not satisfied
#   error[E0277]: the trait bound `proc_macro2::Punct: Copy` is not satisfied
#   error[E0277]: the trait bound `TokenStream: Copy` is not satisfied
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "rustc-spells-a-types-path-out"
version = "0.0.0"
edition = "2024"

[dependencies]
proc-macro2 = "=1.0.107"
TOML
cat > src/main.rs <<'RUST'
use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream};

fn copied<T: Copy>(_: T) {}

fn main() {
    copied(Group::new(Delimiter::None, TokenStream::new()));
    copied(Ident::new("a", Span::call_site()));
    copied(Punct::new('+', Spacing::Alone));
    copied(TokenStream::new());
}
RUST
case $(rustc --version) in
    "rustc 1.95."*) ;;
    *) echo "this is about rustc 1.95, and here is $(rustc --version)" >&2; exit 1 ;;
esac
cat > expected <<'SEEN'
error[E0277]: the trait bound `proc_macro2::Group: Copy` is not satisfied
error[E0277]: the trait bound `proc_macro2::Ident: Copy` is not satisfied
error[E0277]: the trait bound `proc_macro2::Punct: Copy` is not satisfied
error[E0277]: the trait bound `TokenStream: Copy` is not satisfied
SEEN
if cargo check --quiet > log 2>&1; then
    echo "it compiles" >&2
    exit 1
fi
grep 'the trait bound .* is not satisfied$' log > got || { cat log >&2; exit 1; }
diff -u expected got || { echo "the behaviour has changed" >&2; exit 1; }
cat got
