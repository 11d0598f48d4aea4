//! Bridges to other people's traits.
