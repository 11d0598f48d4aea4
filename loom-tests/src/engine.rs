//! The floors below the pool, as modules of a model: the real sources, each by its path.
//!
//! A model that is a file of `tests/` calls these macros at its root, where `sync` is the twin.

/// Groups, how they live together, and the files on which they stand.
#[macro_export]
macro_rules! groups {
    () => {
        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/job.rs"]
        mod job;
        #[path = "../../src/keyed_queue.rs"]
        mod keyed_queue;
        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/parker.rs"]
        mod parker;
        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/recycle.rs"]
        mod recycle;
        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/rng.rs"]
        mod rng;
        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/scoped.rs"]
        mod scoped;
        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/spans/off.rs"]
        mod spans;
        #[allow(dead_code, reason = "models need a part of it")]
        #[path = "../../src/unwind.rs"]
        mod unwind;
        #[allow(dead_code, reason = "models need a part of it")]
        #[path = "../../src/waiters.rs"]
        mod waiters;

        #[expect(dead_code, reason = "models need a part of it")]
        #[allow(unfulfilled_lint_expectations, reason = "lints of a published crate")]
        #[path = "../../src/report"]
        mod report {
            pub mod dump;
            pub mod errors;
            pub mod failure;
            pub mod reason;
            pub mod stall;
            pub mod waits_for;
        }

        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/group"]
        mod group {
            pub mod arena;
            pub mod duties;
            pub mod ending;
            pub mod gate;
            pub mod host;
            pub mod list;
            pub mod name;
            pub mod node;
            pub mod pool;
            pub mod rare;
            pub mod services;
            pub mod whole;
            pub mod word;
        }

        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/poll"]
        mod poll {
            pub mod budget;
            pub mod frame;
            pub mod live;
            pub mod locals;
            pub mod own_cancel;
            pub mod running;
            pub mod tally;
        }

        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/tree"]
        mod tree {
            pub mod admission;
            pub mod attach;
            pub mod awaited;
            pub mod blocked;
            pub mod branch;
            pub mod cascade;
            pub mod cut;
            pub mod failures;
            pub mod host_end;
            pub mod hosts;
            pub mod inner;
            pub mod joiner;
            pub mod leave;
            pub mod owner;
            pub mod paths;
            pub mod reaper;
            pub mod root;
            pub mod service_node;
            pub mod survey;
            pub mod typed_node;
            pub mod unresolvable;
            pub mod zero_deadline;
        }
    };
}

/// Tasks, which stand on groups.
#[macro_export]
macro_rules! tasks {
    () => {
        #[expect(dead_code, reason = "models need a part of it")]
        #[path = "../../src/task"]
        mod task {
            pub mod awaiter;
            pub mod cell;
            pub mod closer;
            pub mod handle;
            pub mod header;
            pub mod run;
            pub mod spawn;
            pub mod state;
            pub mod waker;
        }
    };
}
