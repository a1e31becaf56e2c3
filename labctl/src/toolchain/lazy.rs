//! A toolchain that is looked at when it is first needed: that takes thousands of `stat`s, and most starts compile nothing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::root::Toolchain;
use crate::digest::Digest;

/// Why there is no toolchain after all, in the words of whoever was to find it.
pub type OpenError = Box<dyn std::error::Error + Send + Sync>;

type Open = dyn Fn() -> Result<Toolchain, OpenError> + Send + Sync;

/// A toolchain whose address is known, and how to open it. Clones open it once together.
#[derive(Clone)]
pub struct LazyToolchain {
    id: Digest,
    open: Arc<Open>,
    opened: Arc<Mutex<Option<Toolchain>>>,
}

impl LazyToolchain {
    /// `open` finds or makes the toolchain with the address `id`.
    pub fn new(id: Digest, open: impl Fn() -> Result<Toolchain, OpenError> + Send + Sync + 'static) -> Self {
        Self {
            id,
            open: Arc::new(open),
            opened: Arc::default(),
        }
    }

    pub fn id(&self) -> Digest {
        self.id
    }

    /// The toolchain, opened by whoever asks first.
    ///
    /// # Errors
    /// Those of opening it, which is tried again by the next who asks.
    pub fn get(&self) -> Result<Toolchain, OpenError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(toolchain) = &*opened {
            return Ok(toolchain.clone());
        }
        let toolchain = (self.open)()?;
        Ok(opened.insert(toolchain).clone())
    }
}

impl From<Toolchain> for LazyToolchain {
    fn from(toolchain: Toolchain) -> Self {
        Self::new(toolchain.id(), move || Ok(toolchain.clone()))
    }
}

impl fmt::Debug for LazyToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyToolchain")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn it_is_opened_once_and_not_before() {
        let times = Arc::new(AtomicUsize::new(0));
        let count = times.clone();
        let id = Digest::of(b"gcc");
        let lazy = LazyToolchain::new(id, move || {
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                return Err("not yet".into());
            }
            Ok(Toolchain::at(Path::new("/root"), id))
        });
        assert_eq!(times.load(Ordering::Relaxed), 0);
        lazy.get().unwrap_err();
        let other = lazy.clone();
        assert_eq!(lazy.get().unwrap(), other.get().unwrap());
        assert_eq!(times.load(Ordering::Relaxed), 2);
    }
}
