//! The guide, a module for each page. Every program on it compiles and runs as a test, or is
//! refused as the page says.
//!
// Of two definitions of a link the first one counts. rustdoc reads the list here first, which leads
// to modules; a git host sees the page alone, and the definitions at its end lead to files. Doc
// tests do without the list, so that they have the names and lines of the pages.
#![cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#![doc = include_str!("../docs/guide/README.md")]

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/structure.md")]
pub mod structure {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/after_the_children.md")]
pub mod after_the_children {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/errors.md")]
pub mod errors {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/errors_outward.md")]
pub mod errors_outward {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/borrowing.md")]
pub mod borrowing {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/cancellation.md")]
pub mod cancellation {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/services.md")]
pub mod services {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/server.md")]
pub mod server {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/watching.md")]
pub mod watching {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/colours.md")]
pub mod colours {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/coming_from.md")]
pub mod coming_from {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[doc = include_str!("../docs/guide/port_tokio.md")]
pub mod port_tokio {}

#[cfg_attr(not(doctest), doc = include_str!("guide_links.txt"))]
#[cfg_attr(feature = "tokio", doc = include_str!("../docs/guide/tokio.md"))]
#[cfg_attr(
    not(feature = "tokio"),
    doc = "This page is about the feature `tokio`, which is off."
)]
pub mod tokio {}

#[doc = include_str!("../docs/decisions.md")]
pub mod decisions {}
