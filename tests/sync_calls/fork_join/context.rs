//! What a half sees of its caller: group, task, task-locals, deadline, runtime.

use super::apart;
use crate::common::durations;
use crate::common::hangs::without_hanging;
use crate::common::runtimes::workers;
use spinney::{Group, Runtime, TaskLocal, current, try_group};
use std::thread::{self};

static REQUEST: TaskLocal<u32> = TaskLocal::new();

#[derive(Debug, PartialEq)]
struct Context {
    task: Option<spinney::dump::TaskId>,
    group: Option<String>,
    deadline: Option<std::time::Instant>,
    request: Option<u32>,
    is_cancelled: bool,
}

fn context() -> Context {
    Context {
        task: current::task_id(),
        group: current::group_path().map(|path| path.to_string()),
        deadline: current::deadline(),
        request: REQUEST.get(),
        is_cancelled: current::is_cancelled(),
    }
}

#[test]
fn both_halves_are_in_the_context_of_the_caller() {
    without_hanging(|| {
        let (runtime, _) = workers(2);
        let checked = runtime.block_on(REQUEST.scope(
            7,
            try_group(async |g: Group<'_, '_, ()>| {
                g.deadline(durations::SECOND * 1000, ());
                let child = g.compute(|| {
                    let caller = context();
                    // What the first half changes for itself is none of the second one's business.
                    let (a, b) = REQUEST.sync_scope(8, || {
                        let inner = context();
                        assert_eq!(apart(context, context), (inner, context()));
                        apart(|| REQUEST.sync_scope(9, context), context)
                    });
                    assert_eq!((a.request, b.request), (Some(9), Some(8)));
                    assert_eq!(apart(context, context), (context(), caller));
                    Ok(())
                });
                let caller = context();
                assert_eq!(apart(context, context), (context(), caller));
                child.await;
                Ok(())
            }),
        ));
        assert!(checked.is_ok());
        // Outside every group.
        let _entered = runtime.enter();
        assert_eq!(apart(context, context), (context(), context()));
        REQUEST.sync_scope(7, || {
            assert_eq!(apart(context, context), (context(), context()))
        });
    });
}

/// Halves belong to the runtime of free functions at the caller.
#[test]
fn halves_run_on_the_entered_runtime() {
    without_hanging(|| {
        let named = |name: &str| {
            Runtime::builder()
                .workers(2)
                .thread_name(name)
                .build()
                .unwrap()
        };
        let (outer, inner) = (named("outer"), named("inner"));
        let name = || thread::current().name().unwrap_or_default().to_owned();
        let (first, second) = outer.block_on(async {
            let first = apart(|| (), name).1;
            let _entered = inner.enter();
            (first, apart(|| (), name).1)
        });
        assert!(
            first.starts_with("outer-") && second.starts_with("inner-"),
            "{first}, {second}"
        );
    });
}
