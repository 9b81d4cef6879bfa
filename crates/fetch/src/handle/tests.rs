use super::*;

fn bits(stored: &[u32]) -> Bits {
    let mut bits = Bits::none(8);
    stored.iter().for_each(|chunk| assert!(bits.insert(*chunk)));
    bits
}

#[tokio::test]
async fn what_was_said_before_the_download_began_is_heard() {
    let handle = Handle::new();
    handle.want([1, 3, 3, 1]);
    handle.prefer([7, 6]);
    let attached = handle.attach();
    attached.begin(bits(&[3]));
    let orders = attached.orders().await;
    assert_eq!(orders.demanded, [1]);
    assert_eq!(orders.order, Some(vec![7, 6]));
    handle.want([1, 3, 5]);
    assert_eq!(attached.orders().await.demanded, [5], "what is there or was demanded is no news");
}

#[tokio::test]
async fn those_who_wait_are_told_of_each_chunk() {
    let handle = Handle::new();
    let waits = tokio::spawn({
        let handle = handle.clone();
        async move { handle.wait_for(2..4).await }
    });
    tokio::task::yield_now().await;
    let attached = handle.attach();
    attached.begin(bits(&[2]));
    assert!(handle.has(2) && !handle.has(3));
    attached.stored(3);
    assert_eq!(waits.await.unwrap(), Ok(()));
    assert_eq!(handle.state(), HandleState { phase: Phase::Running, stored: 2, chunks: 8, held: false });
}

#[tokio::test]
async fn nobody_waits_for_what_will_not_come() {
    let handle = Handle::new();
    let attached = handle.attach();
    attached.begin(bits(&[]));
    assert_eq!(handle.wait_for(8..9).await, Err(Ended(8)), "the file has 8 chunks");
    let waits = tokio::spawn({
        let handle = handle.clone();
        async move { handle.wait_for(0..1).await }
    });
    tokio::task::yield_now().await;
    drop(attached);
    assert_eq!(waits.await.unwrap(), Err(Ended(0)));
    assert_eq!(handle.state().phase, Phase::Failed);
}

#[tokio::test]
async fn a_second_attempt_hears_what_the_first_did_not_bring() {
    let handle = Handle::new();
    handle.want([4]);
    let first = handle.attach();
    first.begin(bits(&[]));
    assert_eq!(first.orders().await.demanded, [4]);
    drop(first);
    let second = handle.attach();
    second.begin(bits(&[]));
    assert_eq!(second.orders().await.demanded, [4]);
    second.stored(4);
    second.complete();
    drop(second);
    assert_eq!(handle.wait_for(4..5).await, Ok(()));
    assert_eq!(handle.wait_for(5..6).await, Err(Ended(5)));
    assert_eq!(handle.state().phase, Phase::Complete);
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_nothing_behind() {
    let handle = Handle::new();
    for _ in 0..100 {
        let gone = tokio::time::timeout(std::time::Duration::ZERO, handle.wait_for(0..1)).await;
        assert!(gone.is_err());
    }
    assert!(handle.lock().waiting[&0].len() <= 1);
}

#[test]
fn absurd_indices_are_not_kept() {
    let handle = Handle::new();
    handle.want([u32::MAX, MAX_CHUNKS as u32]);
    handle.want(0..u32::MAX);
    assert_eq!(handle.lock().demanded.len(), MAX_CHUNKS);
}

#[tokio::test]
async fn a_download_that_is_held_is_so_in_its_second_attempt_too() {
    let handle = Handle::new();
    handle.hold(true);
    let first = handle.attach();
    first.begin(bits(&[]));
    assert!(first.orders().await.held);
    drop(first);
    let second = handle.attach();
    second.begin(bits(&[]));
    assert!(second.orders().await.held);
    handle.hold(false);
    assert!(!second.orders().await.held);
}
