//! tokio-postgres: over our sockets, or tokio's, with its connection as a service.

use crate::common::process::alone;
use crate::servers::postgres;
use crate::trial::{Middle, Trial};
use futures_lite::future::zip;
use spinney::net::TcpStream;
use spinney::{Group, Never, group};
use std::net::SocketAddr;
use tokio_postgres::{Client, Config, NoTls};
use tokio_util::compat::FuturesAsyncReadCompatExt;

fn config() -> Config {
    let mut config = Config::new();
    config.user("postgres").dbname("postgres");
    config
}

/// A client whose connection is a service of the group.
async fn connect(g: Group<'_, '_, Never>) -> Client {
    let stream = TcpStream::connect(postgres()).await.unwrap();
    let config = config();
    let (client, connection) = config.connect_raw(stream.compat(), NoTls).await.unwrap();
    // It ends with an error where the server ends it.
    g.service(async { _ = connection.await });
    client
}

/// The same on a socket of tokio's.
async fn connect_with_tokio(g: Group<'_, '_, Never>) -> Client {
    let address: SocketAddr = postgres().parse().unwrap();
    let mut config = config();
    config.host(address.ip().to_string()).port(address.port());
    let (client, connection) = config.connect(NoTls).await.unwrap();
    g.service(async { _ = connection.await });
    client
}

/// Two statements beside one another, a transaction, and a statement that takes an hour.
async fn statements(tokio: bool, middle: Option<Middle>) {
    group(async |g: Group<'_, '_, Never>| {
        let mut client = if tokio {
            connect_with_tokio(g).await
        } else {
            connect(g).await
        };
        let square = async |number: i32| {
            let square = "SELECT $1::INT4 * $1::INT4";
            let row = client.query_one(square, &[&number]).await.unwrap();
            row.get::<_, i32>(0)
        };
        assert_eq!(zip(square(6), square(7)).await, (36, 49));
        let transaction = client.transaction().await.unwrap();
        let create = "CREATE TEMPORARY TABLE numbers (number INT4)";
        transaction.batch_execute(create).await.unwrap();
        transaction.rollback().await.unwrap();
        assert!(client.query("SELECT * FROM numbers", &[]).await.is_err());
        if let Some(middle) = middle {
            let hour = client.execute("SELECT pg_sleep(3600)", &[]);
            middle.amid(hour).await.unwrap();
        }
    })
    .await;
}

#[test]
#[ignore = "needs the server that interop/run starts"]
fn tokio_postgres_over_our_sockets() {
    alone(|| {
        let trip = |middle| statements(false, middle);
        Trial::default().run(|| trip(None), |middle| trip(Some(middle)));
    });
}

#[test]
#[ignore = "needs the server that interop/run starts"]
fn tokio_postgres_with_tokio() {
    alone(|| {
        let trip = |middle| statements(true, middle);
        let trial = Trial::default().with_tokio();
        trial.run(|| trip(None), |middle| trip(Some(middle)));
    });
}

/// What escapes: the server goes on with a statement whose client was cut, unless it is told.
#[test]
#[ignore = "needs the server that interop/run starts"]
fn a_statement_of_postgres_outlives_the_cut_of_its_client() {
    alone(|| {
        let statement = "SELECT pg_sleep(3600), 'outlives'";
        spinney::block_on(group(async |g: Group<'_, '_, Never>| {
            let observer = connect(g).await;
            let running = async || {
                let find = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query = $1";
                let rows = observer.query(find, &[&statement]).await.unwrap();
                rows.first().map(|row| row.get::<_, i32>(0))
            };
            let (middle, reached) = Middle::new();
            let inner = g.group(async |h| {
                let client = connect(h).await;
                middle.amid(client.execute(statement, &[])).await.unwrap();
            });
            let begun = async {
                reached.recv().await.unwrap();
                while running().await.is_none() {}
            };
            futures_lite::future::or(inner, begun).await;
            let process = running().await.unwrap();
            let end = "SELECT pg_terminate_backend($1)";
            observer.execute(end, &[&process]).await.unwrap();
            while running().await.is_some() {}
        }));
    });
}
