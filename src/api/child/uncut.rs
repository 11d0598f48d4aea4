//! A service that no cut reaches: where another one is cut, it is asked to end.

use crate::api::child::service::line_up;
use crate::api::group::handle::Group;
use crate::group::services::Serving;
use crate::poll::locals::Locals;
use crate::task::cell::Birth;
use crate::tree::attach::attach;
use std::borrow::Cow;
use std::panic::Location;

/// Such a service, as the closer sees it.
struct Asked<A> {
    task: Box<dyn Serving>,
    ask: A,
}

impl<A: Fn() + Send> Serving for Asked<A> {
    fn is_over(&self) -> bool {
        self.task.is_over()
    }

    fn cancel(&self) {
        (self.ask)();
    }
}

impl<E: Send + 'static> Group<'_, '_, E> {
    /// Starts a service that runs to its end in any case: `ask`, which asks for that end, is
    /// called when it is its turn to be cut, and at once in a group that is being cancelled.
    pub(crate) fn serve_uncut(
        self,
        future: impl Future<Output = ()> + Send + 'static,
        ask: impl Fn() + Clone + Send + 'static,
        name: String,
        location: &'static Location<'static>,
    ) {
        let birth = Birth::shielded(Some(Cow::Owned(name)), Locals::none(), location);
        let spawner = self.spawner();
        attach(spawner.group());
        let asked = |task| -> Box<dyn Serving> {
            let ask = ask.clone();
            Box::new(Asked { task, ask })
        };
        let (_, is_late) = line_up(spawner, future, birth, asked);
        if is_late {
            ask();
        }
    }
}
