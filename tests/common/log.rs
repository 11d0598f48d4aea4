//! What happened, in order.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex};

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    pub(crate) fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    pub(crate) fn has(&self, what: &'static str) -> bool {
        self.0.lock().unwrap().contains(&what)
    }

    pub(crate) fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(crate) fn local(&self, what: &'static str) -> Local {
        Local(self.clone(), what)
    }

    /// A future that never ends, and notes its drop.
    pub(crate) fn never(&self, what: &'static str) -> impl Future<Output = ()> + Send + use<> {
        let local = self.local(what);
        async move {
            let _local = local;
            pending().await
        }
    }
}

/// Notes its drop.
pub(crate) struct Local(pub(crate) Log, &'static str);

impl Drop for Local {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}
