//! What a child may return: nothing, a result with the group's own error, or never.

mod sealed {
    pub trait Sealed {}

    /// Names the type `!`, which stable Rust knows as the return type of a function only.
    pub trait Returns {
        type Output;
    }
    impl<R> Returns for fn() -> R {
        type Output = R;
    }
    impl Sealed for () {}
    impl<T, E> Sealed for Result<T, E> {}
    impl Sealed for super::Diverges {}
}

/// The type `!`.
type Diverges = <fn() -> ! as sealed::Returns>::Output;

/// What a child of a group with error `E` may return: `()`, `Result<T, E>`, or `!`.
///
/// There is one implementation for each type, so `?` inside a child infers `E`. A bare value is
/// refused: it would hide that an error of the child cannot be seen.
///
/// # Examples
///
/// ```
/// use spinney::{Group, block_on, try_group};
///
/// let result = block_on(try_group(async |g: Group<'_, '_, std::num::ParseIntError>| {
///     g.spawn(async {}).await; // nothing
///     let number = g.spawn(async { "7".parse::<u32>() }); // a result with the group's error
///     Ok(number.await)
/// }));
/// assert_eq!(result.unwrap(), 7);
/// ```
#[diagnostic::on_unimplemented(
    message = "a child of a group with error `{E}` cannot return `{Self}`",
    label = "this child returns `{Self}`",
    note = "a child returns `()`, or `Result<T, {E}>` with the group's own error: write `Ok(value)` for a value",
    note = "an error of another type: convert it in the child, `.map_err(..)` or `?` and at the end `Ok::<_, {E}>(value)`",
    note = "or give the group that error: `try_group(async |g: Group<'_, '_, MyError>| ..)`; a plain `group(..)` cannot fail: its error is `Infallible`"
)]
pub trait Outcome<E>: sealed::Sealed {
    /// What the child's handle gives.
    type Value: Send;

    /// The outcome as a result.
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Value, E>;
}

impl<E> Outcome<E> for () {
    type Value = ();

    fn into_result(self) -> Result<(), E> {
        Ok(())
    }
}

impl<T: Send, E> Outcome<E> for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Self {
        self
    }
}

// The value is `!`, which is any type where a child ends with the handle of such a child.
impl<E> Outcome<E> for Diverges {
    type Value = Self;

    fn into_result(self) -> Result<Self, E> {
        self
    }
}
