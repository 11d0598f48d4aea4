//! Why: code that goes on while it is being cut can ask what ended it, who it was, and where. Names make it readable.

use async_channel::bounded;
use spinney::current::{CancelKind, CancelReason};
use spinney::{Group, GroupBuilder, block_on, current, shield, yield_now};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

static SEEN: Mutex<Vec<(&str, CancelReason)>> = Mutex::new(Vec::new());
static PANICKED: Mutex<Option<String>> = Mutex::new(None);

/// Asks, in code that runs although it is being cut.
fn ask(place: &'static str) {
    let reason = current::cancel_reason().expect("it is being cut");
    SEEN.lock().unwrap().push((place, reason));
}

struct AskWhenDropped;

impl Drop for AskWhenDropped {
    fn drop(&mut self) {
        ask("destructor");
    }
}

async fn import(g: Group<'_, '_, &'static str>) -> Result<(), &'static str> {
    g.defer(async { ask("defer") });
    // The channel closes when both wait.
    let (waiting, both_wait) = bounded::<()>(1);
    let waits = waiting.clone();
    g.spawn(async move {
        let _ask = AskWhenDropped;
        drop(waits);
        pending::<()>().await
    });
    g.spawn(shield(async move {
        drop(waiting);
        while !current::is_cancelled() {
            yield_now().await;
        }
        ask("shield");
    }));
    g.spawn_named("disk", async move {
        let _ = both_wait.recv().await;
        Err::<(), _>("full")
    });
    pending().await
}

#[expect(clippy::print_stdout, reason = "an example says what it showed")]
fn main() {
    // `install_panic_hook` has a line printed after each panic in a task, and what it says a hook of one's own finds, too:
    // in task `audit` #7, spawned at .., in group `server`.
    std::panic::set_hook(Box::new(|_| {
        let place = current::task_name().zip(current::group_path());
        *PANICKED.lock().unwrap() = place.map(|(task, group)| format!("{task} in {group}"));
    }));
    spinney::install_panic_hook();

    let server = GroupBuilder::new().name("server").run(async |g| {
        let import = GroupBuilder::new()
            .name("import")
            .run_in(g, async |h| import(h).await);
        let error = import.await.unwrap_err().into_first();
        assert!(current::cancel_reason().is_none()); // this group goes on
        Ok::<_, &str>(error)
    });
    assert_eq!(block_on(server).unwrap(), "full");

    let seen = SEEN.lock().unwrap();
    let mut places: Vec<_> = seen.iter().map(|(place, _)| *place).collect();
    places.sort_unstable();
    assert_eq!(places, ["defer", "destructor", "shield"]);
    for (_, reason) in seen.iter() {
        assert_eq!(reason.kind(), CancelKind::ChildFailed);
        assert_eq!(reason.name(), Some("disk"));
        assert!(reason.location().file().ends_with("why.rs")); // where `disk` was spawned
        assert_eq!(reason.chain().collect::<Vec<_>>(), ["server/import"]);
        let text = reason.to_string();
        assert!(text.starts_with("a child failed: disk #"), "{text}");
        assert!(text.ends_with(" in group server/import"), "{text}");
    }

    let panics = GroupBuilder::<&str>::new().name("server").run(async |g| {
        let audit = g.spawn_named("audit", async { panic!("a bug") });
        audit.await;
        Ok(())
    });
    let caught = catch_unwind(AssertUnwindSafe(|| block_on(panics)));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "a bug");
    assert_eq!(
        PANICKED.lock().unwrap().take().as_deref(),
        Some("audit in server")
    );
    println!("a cut says why: {}", seen[0].1);
}
