//! `Errors` in the hands of the crates that most programs handle their errors with: `?` into
//! `anyhow::Error` and boxes, a source of a `thiserror` enum, and the chains that they print.

use anyhow::Context as _;
use spinney::{Errors, Group, GroupBuilder, Wait, try_group};
use std::error::Error;
use std::num::ParseIntError;

type Boxed = Box<dyn Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error("row {row} is no number")]
    Parse {
        row: usize,
        #[source]
        source: ParseIntError,
    },
    #[error("row {0} is too big")]
    TooBig(usize),
    #[error("a table in row {0}")]
    Table(usize, #[source] Errors<RowError>),
}

/// `Errors` of the enum's own type, so that `?` takes a whole group into the enum.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error("the import failed")]
    Rows(#[from] Errors<RowError>),
    #[error(transparent)]
    Parts(#[from] Errors<ImportError>),
    #[error("nothing to import")]
    Empty,
}

fn parse(row: usize, text: &str) -> Result<i32, RowError> {
    text.parse()
        .map_err(|source| RowError::Parse { row, source })
}

/// Fails with one error.
async fn one() -> Result<i32, Errors<RowError>> {
    try_group(async |g| Ok(g.spawn(async { parse(3, "x") }).await)).await
}

/// Fails with two: the cancel is first, the body's comes after it.
async fn two() -> Result<i32, Errors<RowError>> {
    let rows = GroupBuilder::new().name("rows");
    rows.run(async |g| {
        g.cancel(RowError::TooBig(1));
        parse(2, "y")
    })
    .await
}

/// What `error` prints, and what the errors behind it print.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut found = vec![error.to_string()];
    let mut at = error.source();
    while let Some(source) = at {
        found.push(source.to_string());
        at = source.source();
    }
    found
}

/// Without the backtrace, which the environment may ask for.
fn debug(error: &anyhow::Error) -> String {
    let text = format!("{error:?}");
    let end = text.find("\n\nStack backtrace").unwrap_or(text.len());
    text[..end].to_owned()
}

const DIGIT: &str = "invalid digit found in string";

#[test]
fn anyhow_takes_errors_and_gives_them_back() {
    async fn any() -> anyhow::Result<i32> {
        Ok(two().await?)
    }
    let error = any().wait().unwrap_err();
    let errors = error.downcast_ref::<Errors<RowError>>().unwrap();
    assert_eq!((errors.len(), errors.omitted()), (2, 0));
    // By value, with what each entry knows; also from under a context.
    let errors: Errors<RowError> = error.context("loading").downcast().unwrap();
    let entries: Vec<_> = errors.entries().collect();
    assert!(matches!(entries[0].error, RowError::TooBig(1)));
    assert_eq!(
        (entries[1].name, entries[1].after_cancel),
        (Some("rows"), true)
    );
    assert_eq!(entries[1].location.file(), file!());
    // What it is not stays as it is.
    let error = any().wait().unwrap_err();
    assert!(error.downcast::<Errors<ParseIntError>>().is_err());
}

/// One error prints as itself: nothing in the chain is said twice.
#[test]
fn one_error_is_a_plain_chain() {
    let error = one().wait().unwrap_err();
    assert_eq!(chain(&error), ["row 3 is no number", DIGIT]);
    let error = anyhow::Error::new(error).context("loading");
    assert_eq!(error.to_string(), "loading");
    assert_eq!(
        format!("{error:#}"),
        format!("loading: row 3 is no number: {DIGIT}")
    );
    assert_eq!(
        debug(&error),
        format!("loading\n\nCaused by:\n    0: row 3 is no number\n    1: {DIGIT}")
    );
    assert_eq!(error.root_cause().to_string(), DIGIT);
}

/// Several print a line each; the chain behind them is that of the first.
#[test]
fn several_errors_are_a_list_whose_chain_is_that_of_the_first() {
    let error = two().wait().unwrap_err();
    assert_eq!(format!("{error:#}"), "row 1 is too big (and 1 more error)");
    assert!(error.source().is_none());
    let places: Vec<_> = error
        .entries()
        .map(|entry| entry.location.to_string())
        .collect();
    let list = format!(
        "2 errors:\n- group ({}): row 1 is too big\n- rows ({}, after the cancel): row 2 is no number",
        places[0], places[1]
    );
    assert_eq!(error.to_string(), list);
    let error = anyhow::Error::new(error);
    assert_eq!(format!("{error:#}"), list);
    assert_eq!(debug(&error), list);
    let swapped = try_group(async |g| {
        g.cancel(parse(2, "y").unwrap_err());
        Err::<(), _>(RowError::TooBig(1))
    });
    let error = swapped.wait().unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), DIGIT);
}

#[test]
fn boxes_take_errors_and_give_them_back() {
    async fn boxed() -> Result<i32, Boxed> {
        Ok(one().await?)
    }
    let error = boxed().wait().unwrap_err();
    assert_eq!(chain(&*error), ["row 3 is no number", DIGIT]);
    let errors = error.downcast::<Errors<RowError>>().unwrap();
    assert!(matches!(
        errors.into_first(),
        RowError::Parse { row: 3, .. }
    ));
    // Other threads may have it, and a thread that cannot is served, too.
    let local: Box<dyn Error> = one().wait().unwrap_err().into();
    assert!(local.is::<Errors<RowError>>());
}

/// `#[source]` and `#[from]`: the whole group is a link of the chain.
#[test]
fn thiserror_takes_errors_as_a_source() {
    async fn import(empty: bool) -> Result<i32, ImportError> {
        if empty {
            return Err(ImportError::Empty);
        }
        Ok(one().await?)
    }
    assert!(matches!(import(true).wait(), Err(ImportError::Empty)));
    let error = import(false).wait().unwrap_err();
    assert_eq!(
        chain(&error),
        ["the import failed", "row 3 is no number", DIGIT]
    );
    let source = error.source().unwrap();
    assert_eq!(source.downcast_ref::<Errors<RowError>>().unwrap().len(), 1);

    // A group of imports: `?` takes `Errors` of the enum into the enum, and no error is dropped on
    // the way.
    let all = try_group(async |g: Group<'_, '_, ImportError>| {
        let failed = import(false).await;
        g.cancel(ImportError::Empty);
        failed
    });
    let all = async { Ok::<i32, ImportError>(all.await?) };
    let ImportError::Parts(errors) = all.wait().unwrap_err() else {
        panic!("it is a group's")
    };
    assert_eq!(errors.len(), 2);
    assert!(matches!(errors.first(), ImportError::Empty));
}

/// The chain goes through the groups, each of which says its first error; `Errors` of `Errors` adds
/// no link.
#[test]
fn a_chain_goes_through_nested_groups() {
    let table = async |g: Group<'_, '_, RowError>| {
        let child = g.spawn(async move {
            let inner = g.try_group(async |h: Group<'_, '_, RowError>| {
                h.spawn(async { parse(7, "z") }).await;
                Ok(())
            });
            inner.await.map_err(|errors| RowError::Table(4, errors))
        });
        child.await;
        Ok(())
    };
    let error = try_group(table).wait().unwrap_err();
    let expected = ["a table in row 4", "row 7 is no number", DIGIT];
    assert_eq!(chain(&error), expected);
    assert_eq!(
        format!("{:#}", anyhow::Error::new(error)),
        expected.join(": ")
    );

    let outer = try_group(async |g: Group<'_, '_, Errors<RowError>>| Ok(g.spawn(one()).await));
    let error = outer.wait().unwrap_err();
    assert_eq!(chain(&error), ["row 3 is no number", DIGIT]);
}

/// A type that takes any error as the error of a group: `Errors` of it prints, but is no `Error`,
/// and its first one is.
#[test]
fn anyhow_is_the_error_of_a_group() {
    async fn read() -> anyhow::Result<i32> {
        let group = try_group(async |g: Group<'_, '_, anyhow::Error>| {
            let n = g.spawn(async { parse(5, "v").context("reading") }).await;
            Ok(n)
        });
        let errors = match group.await {
            Ok(n) => return Ok(n),
            Err(errors) => errors,
        };
        assert_eq!(
            format!("{errors:#}"),
            format!("reading: row 5 is no number: {DIGIT}")
        );
        Err(errors.into_first())
    }
    let error = read().wait().unwrap_err();
    assert!(matches!(
        error.downcast_ref(),
        Some(RowError::Parse { row: 5, .. })
    ));
}
