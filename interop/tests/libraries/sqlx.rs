//! sqlx: SQLite, on threads of its own, and PostgreSQL; with smol, and with tokio, which it takes where it
//! finds it.

use crate::common::process::alone;
use crate::servers::postgres;
use crate::trial::{Middle, Trial};
use ::sqlx::postgres::PgPoolOptions;
use ::sqlx::sqlite::SqlitePoolOptions;
use ::sqlx::{Connection, PgPool, SqlitePool};
use spinney::{Group, Never, group};

/// A database in memory, of one connection.
async fn memory() -> SqlitePool {
    let options = SqlitePoolOptions::new().max_connections(1);
    let pool = options.connect("sqlite::memory:").await.unwrap();
    let create = ::sqlx::query("CREATE TABLE numbers (number INTEGER)");
    create.execute(&pool).await.unwrap();
    pool
}

async fn insert(pool: &SqlitePool, middle: Option<Middle>) {
    let mut transaction = pool.begin().await.unwrap();
    let insert = ::sqlx::query("INSERT INTO numbers VALUES (?)").bind(7);
    insert.execute(&mut *transaction).await.unwrap();
    if let Some(middle) = middle {
        // There is one connection, which we have.
        middle.amid(pool.acquire()).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

async fn count(pool: &SqlitePool) -> u32 {
    let count = ::sqlx::query_scalar("SELECT count(*) FROM numbers");
    count.fetch_one(pool).await.unwrap()
}

/// Tasks that take turns at the connection.
async fn sqlite(middle: Option<Middle>) {
    let pool = memory().await;
    group(async |g: Group<'_, '_, Never>| {
        let pool = g.keep(pool.clone());
        for _ in 0..4 {
            g.spawn(insert(pool, None));
        }
    })
    .await;
    assert_eq!(count(&pool).await, 4);
    if let Some(middle) = middle {
        insert(&pool, Some(middle)).await;
    }
    pool.close().await;
}

#[test]
fn sqlx_sqlite() {
    alone(|| {
        // A pool that was not closed is, by a task of smol's and by its worker.
        let trial = Trial::default().with_smol();
        trial.run(|| sqlite(None), |middle| sqlite(Some(middle)));
    });
}

#[test]
fn sqlx_sqlite_with_tokio() {
    alone(|| {
        let trial = Trial::default().with_tokio();
        trial.run(|| sqlite(None), |middle| sqlite(Some(middle)));
    });
}

/// The next user of the connection finds nothing of it.
#[test]
fn a_transaction_that_is_cut_is_rolled_back() {
    alone(|| {
        spinney::block_on(group(async |g: Group<'_, '_, Never>| {
            let pool = g.keep(memory().await);
            let (middle, reached) = Middle::new();
            let task = g.spawn(insert(pool, Some(middle)));
            reached.recv().await.unwrap();
            task.cancel().await;
            assert_eq!(count(pool).await, 0);
        }));
    });
}

async fn connect(connections: u32) -> PgPool {
    let url = format!("postgres://postgres@{}/postgres", postgres());
    let pool = PgPoolOptions::new().max_connections(connections);
    pool.connect(&url).await.unwrap()
}

/// A pool on PostgreSQL, and a statement that takes an hour.
async fn statements(middle: Option<Middle>) {
    let pool = connect(2).await;
    group(async |g: Group<'_, '_, Never>| {
        let pool = g.keep(pool.clone());
        for number in 0..4_i32 {
            g.spawn(async move {
                let square = ::sqlx::query_scalar("SELECT $1 * $1").bind(number);
                let square: i32 = square.fetch_one(pool).await.unwrap();
                assert_eq!(square, number * number);
            });
        }
    })
    .await;
    let mut connection = pool.acquire().await.unwrap();
    connection.ping().await.unwrap();
    if let Some(middle) = middle {
        // Otherwise it is returned to the pool when the server has done the statement.
        connection.close_on_drop();
        let hour = ::sqlx::query("SELECT pg_sleep(3600)");
        middle.amid(hour.execute(&mut *connection)).await.unwrap();
    }
    drop(connection);
    pool.close().await;
}

#[test]
#[ignore = "needs the server that interop/run starts"]
fn sqlx_postgres() {
    alone(|| {
        let trial = Trial::default().with_smol();
        trial.run(|| statements(None), |middle| statements(Some(middle)));
    });
}

#[test]
#[ignore = "needs the server that interop/run starts"]
fn sqlx_postgres_with_tokio() {
    alone(|| {
        let trial = Trial::default().with_tokio();
        trial.run(|| statements(None), |middle| statements(Some(middle)));
    });
}

/// What escapes: the server goes on with a statement that is cut, and its connection is not back in
/// the pool before it has ended.
#[test]
#[ignore = "needs the server that interop/run starts"]
fn a_statement_of_sqlx_postgres_that_is_cut_keeps_its_place_in_the_pool() {
    alone(|| {
        let statement = "SELECT pg_sleep(3600), 'keeps'";
        spinney::block_on(group(async |g: Group<'_, '_, Never>| {
            let (pool, observer) = (connect(1).await, connect(1).await);
            let running = async || -> Option<i32> {
                let find = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query = $1";
                let find = ::sqlx::query_scalar(find).bind(statement);
                find.fetch_optional(&observer).await.unwrap()
            };
            let (middle, reached) = Middle::new();
            let theirs = pool.clone();
            let task = g.spawn(async move {
                let hour = ::sqlx::query(statement).execute(&theirs);
                middle.amid(hour).await.unwrap();
            });
            reached.recv().await.unwrap();
            let process = loop {
                if let Some(process) = running().await {
                    break process;
                }
            };
            task.cancel().await;
            assert!(pool.try_acquire().is_none());
            assert_eq!(running().await, Some(process));
            let end = ::sqlx::query("SELECT pg_terminate_backend($1)").bind(process);
            end.execute(&observer).await.unwrap();
            pool.acquire().await.unwrap();
        }));
    });
}
