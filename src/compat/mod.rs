//! Bridges to other people's traits.

#[cfg(feature = "hyper")]
pub mod hyper;
