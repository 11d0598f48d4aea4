//! redis: over our sockets, with its driver as a service; and with sockets and a driver of smol's, or of
//! tokio's.

use crate::common::process::alone;
use crate::servers::redis;
use crate::trial::{Middle, Trial};
use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncCommands, AsyncConnectionConfig, Client, RedisConnectionInfo};
use spinney::net::TcpStream;
use spinney::{Group, Never, group};
use std::process;
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Without a timeout of its own, which would need a runtime's timer.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None)
}

/// Commands, one beside the other, on one connection; then one that waits for what does not come.
async fn commands(connection: MultiplexedConnection, middle: Option<Middle>) {
    group(async |g: Group<'_, '_, Never>| {
        let counter = g.keep(format!("counter-{}", process::id()));
        let () = connection.clone().set(counter, 0).await.unwrap();
        let tasks = [(); 8].map(|()| {
            let mut connection = connection.clone();
            g.spawn(async move { Ok(connection.incr(counter, 1).await.unwrap()) })
        });
        let mut answers = Vec::<u32>::new();
        for task in tasks {
            answers.push(task.await);
        }
        answers.sort_unstable();
        assert_eq!(answers, [1, 2, 3, 4, 5, 6, 7, 8]);
        if let Some(middle) = middle {
            let mut connection = connection.clone();
            let answer = connection.blpop("nothing", 0.0);
            let answer: ::redis::RedisResult<(String, String)> = middle.amid(answer).await;
            answer.unwrap();
        }
    })
    .await;
}

#[test]
#[ignore = "needs the server that interop/run starts"]
fn redis_over_our_sockets() {
    alone(|| {
        let trip = |middle| {
            group(async |g: Group<'_, '_, Never>| {
                let stream = TcpStream::connect(redis()).await.unwrap();
                let info = RedisConnectionInfo::default();
                let stream = stream.compat();
                let (connection, driver) =
                    MultiplexedConnection::new_with_config(&info, stream, config())
                        .await
                        .unwrap();
                g.service(driver);
                commands(connection, middle).await;
            })
        };
        Trial::default().run(|| trip(None), |middle| trip(Some(middle)));
    });
}

/// A connection of the library's own making: it takes tokio where it finds it, or else smol.
fn own(trial: Trial) {
    let client = Client::open(format!("redis://{}/", redis())).unwrap();
    let trip = |middle| {
        let client = client.clone();
        async move {
            let config = config();
            let connection = client.get_multiplexed_async_connection_with_config(&config);
            commands(connection.await.unwrap(), middle).await;
        }
    };
    trial.run(|| trip(None), |middle| trip(Some(middle)));
}

#[test]
#[ignore = "needs the server that interop/run starts"]
fn redis_with_smol() {
    alone(|| {
        // The driver, a task of smol's, closes the connection after the last user is gone.
        own(Trial::default().with_smol());
    });
}

#[test]
#[ignore = "needs the server that interop/run starts"]
fn redis_with_tokio() {
    alone(|| own(Trial::default().with_tokio()));
}
