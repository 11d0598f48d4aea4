//! The pages of the guide as doc tests: every program in them compiles and runs, or is refused as the page says.

#[doc = include_str!("../docs/guide/structure.md")]
struct Structure;

#[doc = include_str!("../docs/guide/errors.md")]
struct Errors;

#[doc = include_str!("../docs/guide/errors_outward.md")]
struct ErrorsOutward;

#[doc = include_str!("../docs/guide/borrowing.md")]
struct Borrowing;

#[doc = include_str!("../docs/guide/cancellation.md")]
struct Cancellation;

#[doc = include_str!("../docs/guide/services.md")]
struct Services;

#[doc = include_str!("../docs/guide/colours.md")]
struct Colours;

#[doc = include_str!("../docs/guide/coming_from.md")]
struct ComingFrom;

#[doc = include_str!("../docs/guide/port_tokio.md")]
struct PortTokio;
