//! No islands: futures of other libraries are children, and groups run on other executors.

use spinney::{block_on, group};

#[test]
fn futures_of_other_libraries_are_children() {
    let sum = block_on(group(async |g| {
        let (sender, receiver) = async_channel::bounded::<u32>(1);
        g.spawn(async move {
            for number in 0..100 {
                sender.send(number).await.unwrap();
            }
        });
        let mut sum = 0;
        while let Ok(number) = receiver.recv().await {
            sum += number;
        }
        sum
    }));
    assert_eq!(sum, 4950);
}

#[test]
fn a_group_runs_on_another_executor() {
    let value = futures_lite::future::block_on(group(async |g| {
        let one = g.spawn(async { Ok(1) });
        let two = g.spawn(async {
            futures_lite::future::yield_now().await;
            Ok(2)
        });
        one.await + two.await
    }));
    assert_eq!(value, 3);
}
