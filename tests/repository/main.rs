//! What the repository says of itself: its shape, its types, its list of promises.

mod architecture;
mod auto_traits;
mod conformance;
mod files;
mod interop;
mod leaves;
mod peers;
