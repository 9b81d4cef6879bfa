//! The same work on every item, spread over threads; the result does not depend on how many.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Applies `work` to every item and gives the results in the items' order. Of several errors it is that
/// of the first item among those that failed before the others stopped.
pub(super) fn map<T: Sync, R: Send, E: Send>(
    items: &[T],
    threads: NonZeroUsize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        // An item is taken once, whoever comes first; nothing else is shared.
        while let Some((index, item)) = take(&next, items) {
            let result = work(item);
            let failed = result.is_err();
            done.push((index, result));
            if failed {
                next.store(items.len(), Ordering::Relaxed);
            }
        }
        done
    };
    let mut all = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get().min(items.len())).map(|_| scope.spawn(worker)).collect();
        let mut all = worker();
        for other in others {
            all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        all
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, items.get(index)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_whatever_the_number_of_threads() {
        let items: Vec<u32> = (0..1000).collect();
        for threads in [1, 3, 64] {
            let doubled = map(&items, NonZeroUsize::new(threads).unwrap(), |n| Ok::<_, ()>(n * 2)).unwrap();
            assert!(doubled.iter().zip(&items).all(|(doubled, n)| *doubled == n * 2));
        }
    }

    #[test]
    fn an_error_ends_it() {
        let items: Vec<u32> = (0..1000).collect();
        let result = map(&items, NonZeroUsize::MIN, |n| if *n == 7 { Err(*n) } else { Ok(()) });
        assert_eq!(result, Err(7));
    }
}
