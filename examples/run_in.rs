//! A group with a name and a deadline inside another one: its children borrow what the outer group's children may.

use spinney::time::ManualClock;
use spinney::{Errors, Group, GroupBuilder, Runtime, current, try_group};
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

#[derive(Debug, PartialEq)]
enum RowError {
    Slow,
    Bad(&'static str),
}

/// Both groups' values: the table belongs to the outer one, the row to this one.
struct Table {
    rows: Vec<&'static str>,
    done: AtomicUsize,
}

/// A group for each row: its failure is a value here, for the caller to judge.
async fn import<'s>(
    g: Group<'s, '_, RowError>,
    table: &'s Table,
    number: usize,
    clock: &'s ManualClock,
) -> Result<usize, Errors<RowError>> {
    let row = GroupBuilder::new()
        .name(format!("row {number}"))
        .deadline(Duration::from_secs(5), RowError::Slow);
    row.run_in(g, async |h| {
        let fields: &Vec<&str> = h.keep(table.rows[number].split(',').collect());
        for &field in fields {
            h.spawn(async move {
                match field {
                    "?" => return Err(RowError::Bad(field)),
                    "slow" => pending().await,
                    _ => table.done.fetch_add(1, SeqCst),
                };
                Ok(())
            });
        }
        let path = h.spawn(async { Ok(current::group_path().unwrap().to_string()) });
        assert_eq!(path.await, format!("table/row {number}"));
        if fields.contains(&"slow") {
            clock.advance(Duration::from_secs(5));
            pending::<()>().await;
        }
        Ok(fields.len())
    })
    .await
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() {
    let clock = ManualClock::new();
    let runtime = Runtime::builder().workers(2).clock(&clock).build().unwrap();
    let imported = GroupBuilder::<RowError>::new()
        .name("table")
        .run(async |g| {
            let clock = g.keep(clock.clone());
            let table = g.keep(Table {
                rows: vec!["a,b,c", "slow", "?", "e"],
                done: AtomicUsize::new(0),
            });
            assert_eq!(import(g, table, 0, clock).await.unwrap(), 3);

            // Whatever ends an inner group, its children have ended when it answers, and the outer group goes on.
            let late = import(g, table, 1, clock).await.unwrap_err();
            assert_eq!(late.into_first(), RowError::Slow);
            let bad = import(g, table, 2, clock).await.unwrap_err();
            assert_eq!(bad.into_first(), RowError::Bad("?"));

            // It is a future as any other: a child may open it, and has the values of both groups.
            let last = g
                .spawn(async move { import(g, table, 3, clock).await.map_err(Errors::into_first) });
            Ok((last.await, table.done.load(SeqCst)))
        });
    let (last, done) = runtime.block_on(imported).unwrap();
    assert_eq!((last, done), (1, 4)); // a, b, c, and e

    // Left to itself, a failure of the inner group is passed on with `?`.
    let outer = runtime.block_on(try_group(async |g: Group<'_, '_, RowError>| {
        let inner = GroupBuilder::new().run_in(g, async |_| Err(RowError::Bad("x")));
        inner.await.map_err(Errors::<RowError>::into_first)
    }));
    assert_eq!(
        outer.map(|()| 0).unwrap_err().into_first(),
        RowError::Bad("x")
    );
    println!(
        "four inner groups in one outer: {done} rows done, two of the groups failed, and the outer one went on"
    );
}
