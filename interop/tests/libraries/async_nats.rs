//! async-nats: a client of NATS on tokio's sockets, with a connection that is a task of tokio's.

use crate::common::process::alone;
use crate::servers::nats;
use crate::trial::{Middle, Trial};
use futures::StreamExt;
use spinney::{Group, Never, group};

/// A question to a child that answers, and a subscription that hears nothing more.
async fn messages(middle: Option<Middle>) {
    group(async |g: Group<'_, '_, Never>| {
        let client = async_nats::connect(nats()).await.unwrap();
        let subject = client.new_inbox();
        let mut questions = client.subscribe(subject.clone()).await.unwrap();
        let answering = client.clone();
        g.spawn(async move {
            let question = questions.next().await.unwrap();
            let answer = question.reply.unwrap();
            answering.publish(answer, "answer".into()).await.unwrap();
        });
        let answer = client.request(subject, "question".into()).await.unwrap();
        assert_eq!(&answer.payload[..], b"answer");
        if let Some(middle) = middle {
            let mut silent = client.subscribe("silent").await.unwrap();
            middle.amid(silent.next()).await.unwrap();
        }
    })
    .await;
}

#[test]
#[ignore = "needs the server that interop/run starts"]
fn async_nats() {
    alone(|| {
        Trial::default()
            .with_tokio()
            .run(|| messages(None), |middle| messages(Some(middle)));
    });
}
