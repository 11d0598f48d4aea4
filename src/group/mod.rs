//! Groups: what tasks belong to, free of any knowledge of tasks.
//!
//! `word` counts children; `node` is the untyped group; `ending` decides how it ends, by answers that are `duties`, and `leaving` does it; `tree` connects
//! groups, `root` is where it begins; `open` says where they are polled, and `cut` is the cut of such a host; `list` is what
//! members and inner groups hang in; `reaper` cuts members; `gate` lets late-comers in; `services` end with their group;
//! `grant` holds a deadline of zero back for one poll; `reason` says why it is cut.
//!
//! `arena` keeps values; `errors` keeps failures; `typed` adds the error type; `locals` are the values of task-locals.
//!
//! `frame` and `running` say where a thread is; `books` is what it notes; `ledger` counts what is alive; `dump` shows it;
//! `mark` waits for the cut of one task; `spawn` and `report` are the seams to the pool and to the hook.

pub(crate) mod arena;
pub(crate) mod books;
pub(crate) mod cut;
pub(crate) mod dump;
pub(crate) mod duties;
pub(crate) mod ending;
pub(crate) mod errors;
pub(crate) mod frame;
pub(crate) mod gate;
pub(crate) mod grant;
pub(crate) mod leaving;
pub(crate) mod ledger;
pub(crate) mod list;
pub(crate) mod locals;
pub(crate) mod mark;
pub(crate) mod node;
pub(crate) mod open;
pub(crate) mod reaper;
pub(crate) mod reason;
pub(crate) mod report;
pub(crate) mod root;
pub(crate) mod running;
pub(crate) mod services;
pub(crate) mod spawn;
pub(crate) mod tree;
pub(crate) mod typed;
pub(crate) mod word;
