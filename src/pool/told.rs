//! What the hook is told of tasks of `tokio::spawn`.

use crate::report::failure::Unobserved;
use std::collections::BTreeMap;
use std::panic::Location;

/// So many tasks, what became of them, and where they were spawned, as far as that is known.
/// `location` stands for all of them, `group` is the path of theirs, if that is known.
pub(super) fn told(
    count: usize,
    what: &str,
    places: Vec<&'static Location<'static>>,
    location: &'static Location<'static>,
    group: String,
) -> Unobserved {
    let mut counted = BTreeMap::<_, u32>::new();
    for place in places {
        *counted.entry(place).or_default() += 1;
    }
    let tasks = if count == 1 { "task" } else { "tasks" };
    let mut text = format!("{count} {tasks} of `tokio::spawn` {what}");
    for (at, (place, count)) in counted.into_iter().enumerate() {
        let joint = if at == 0 { ", spawned at" } else { " and" };
        text += &format!("{joint} {place} ({count})");
    }
    Unobserved {
        payload: Box::new(text),
        is_panic: false,
        type_name: None,
        task: None,
        name: Some("tokio".to_owned()),
        location,
        group,
    }
}
