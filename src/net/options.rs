//! Options of sockets as pairs of methods, one that sets and one that asks, written once.

/// `$new` are hidden lines of the examples, which make `socket`; `$value` is one that is set there.
macro_rules! options {
    ($type:ident, $new:literal, |$this:ident| $io:expr; $(
        $(#[doc = $text:literal])*
        $set:ident, $get:ident: $kind:ty = $value:literal,
        |$io_set:ident, $new_value:ident| $do_set:expr, |$io_get:ident| $do_get:expr;
    )*) => {
        impl $type {$(
            #[doc = concat!("Sets what [`", stringify!($get), "`](Self::", stringify!($get), ") tells.")]
            ///
            /// # Examples
            ///
            /// ```
            /// # use std::time::Duration;
            /// # spinney::block_on(async {
            #[doc = $new]
            #[doc = concat!("socket.", stringify!($set), "(", $value, ")?;")]
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            pub fn $set(&self, value: $kind) -> std::io::Result<()> {
                let $this = self;
                let ($io_set, $new_value) = ($io, value);
                Ok($do_set?)
            }

            $(#[doc = $text])*
            ///
            /// # Examples
            ///
            /// ```
            /// # use std::time::Duration;
            /// # spinney::block_on(async {
            #[doc = $new]
            #[doc = concat!("socket.", stringify!($set), "(", $value, ")?;")]
            #[doc = concat!("assert_eq!(socket.", stringify!($get), "()?, ", $value, ");")]
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system.
            pub fn $get(&self) -> std::io::Result<$kind> {
                let $this = self;
                let $io_get = $io;
                Ok($do_get?)
            }
        )*}
    };
}

pub(crate) use options;
