//! How much of something each caller has at the same time, so that one of them does not have it all.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::guard::Caller;

/// What there is to share. Bounded by the number of keys.
#[derive(Debug, Clone)]
pub struct Shares {
    /// Contended by the requests, for a count.
    taken: Arc<Mutex<HashMap<Option<Arc<str>>, usize>>>,
    most: usize,
}

/// One of them; given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    shares: Shares,
    name: Option<Arc<str>>,
}

impl Shares {
    /// So many for each caller.
    pub fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// One more for a caller; `None` where it has as many as it may.
    pub fn take(&self, caller: &Caller) -> Option<Share> {
        let name = caller.name.clone();
        let mut taken = self.taken.lock();
        let n_taken = taken.entry(name.clone()).or_default();
        if *n_taken >= self.most {
            return None;
        }
        *n_taken += 1;
        Some(Share { shares: self.clone(), name })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken.lock();
        if let Some(n_taken) = taken.get_mut(&self.name) {
            *n_taken -= 1;
            if *n_taken == 0 {
                taken.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_a_share_of_its_own_and_gives_it_back() {
        let shares = Shares::new(2);
        let caller = |name: &str| Caller { name: Some(name.into()), scopes: Vec::new() };
        let (greedy, modest) = (caller("a"), caller("b"));
        let first = shares.take(&greedy);
        let second = shares.take(&greedy);
        assert!(first.is_some() && second.is_some() && shares.take(&greedy).is_none());
        assert!(shares.take(&modest).is_some());
        drop(first);
        assert!(shares.take(&greedy).is_some());
        drop(second);
        assert!(shares.taken.lock().is_empty());
    }
}
