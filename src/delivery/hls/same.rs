//! A channel as it was configured, as a key.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::channel::Channel;

/// A channel and not only its id: after a reload that changed it, what was fetched for it before may
/// be for other eyes, and its sources other ones.
#[derive(Clone)]
pub(crate) struct Same(pub(crate) Arc<Channel>);

impl PartialEq for Same {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Same {}

impl Hash for Same {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        Arc::as_ptr(&self.0).hash(hasher);
    }
}
