//! Task-locals: the id of a request goes with everything that the request starts, without a parameter.

use spinney::{Group, TaskLocal, block_on, group};
use std::sync::Mutex;

static REQUEST: TaskLocal<u64> = TaskLocal::new();
static USER: TaskLocal<&'static str> = TaskLocal::new();
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn log(text: &str) {
    let request = REQUEST.get().map_or("-".to_owned(), |id| id.to_string());
    LOG.lock().unwrap().push(format!("{request} {text}"));
}

fn take_log() -> Vec<String> {
    std::mem::take(&mut *LOG.lock().unwrap())
}

/// Deep inside: nobody hands it the id.
async fn query(table: &str) -> Result<usize, spinney::Never> {
    log(table);
    Ok(table.len())
}

async fn handle(g: Group<'_, '_>) -> usize {
    g.defer(async { log("closed") }); // sees what is set here, whenever it runs
    // Each child takes a snapshot of what is set around its spawn, and runs on any worker.
    let users = g.spawn(query("users")).await;
    let orders = g.spawn(async { Ok(group(async |h| h.spawn(query("orders")).await).await) });
    users + orders.await
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() {
    let answered = block_on(REQUEST.scope(7, group(async |g| handle(g).await)));
    assert_eq!(answered, 11);
    assert_eq!(take_log(), ["7 users", "7 orders", "7 closed"]);
    assert_eq!(REQUEST.get(), None); // nothing is left outside

    block_on(group(async |g| {
        // The group knows of no request: values come from who spawns, never from the group.
        let none = g.spawn(async { Ok(REQUEST.get()) });
        let eight = REQUEST.sync_scope(8, || g.spawn(async { Ok(REQUEST.get()) }));
        assert_eq!((none.await, eight.await), (None, Some(8)));

        // An inner scope hides the value of the same key, and leaves the others.
        let both = USER.scope(
            "ann",
            REQUEST.scope(9, async { (USER.get(), REQUEST.get()) }),
        );
        let hidden = REQUEST.scope(1, async {
            let inner = both.await;
            (inner, REQUEST.get())
        });
        assert_eq!(hidden.await, ((Some("ann"), Some(9)), Some(1)));
    }));

    // What cannot be cloned is read in place.
    static TRACE: TaskLocal<Mutex<Vec<u32>>> = TaskLocal::new();
    let spans = block_on(TRACE.scope(Mutex::default(), async {
        group(async |g| {
            for span in 0..3 {
                g.spawn(
                    async move { TRACE.with(|trace| trace.unwrap().lock().unwrap().push(span)) },
                );
            }
        })
        .await;
        TRACE.with(|trace| trace.map(|trace| trace.lock().unwrap().len()))
    }));
    assert_eq!(spans, Some(3));
    println!(
        "children saw the values of who spawned them: request 7 answered {answered}, {} spans traced",
        spans.unwrap()
    );
}
