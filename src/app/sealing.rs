//! Where the keys of sealed URLs come from: the configuration, else the state directory, else chance.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::Span;

use crate::config::Config;
use crate::config::Secret;
use crate::delivery::Seal;
use crate::delivery::seal::keys;
use crate::delivery::seal::keys::Keyring;
use crate::delivery::seal::store;
use crate::delivery::seal::store::Store;
use crate::lifecycle::Tasks;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configured ones cannot be used.
    #[error("hls.seal_key: {0}")]
    Configured(#[from] keys::Unusable),
    /// The file is there and is not what it should be.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The system has no randomness.
    #[error(transparent)]
    Random(#[from] keys::NoRandomness),
}

/// The seal, and what keeps its keys.
pub(super) struct Sealing {
    seal: Arc<Seal>,
    store: Option<Store>,
}

impl Sealing {
    /// The configured keys. Without them those of the state directory, made if there are none; where
    /// nothing may or can be written there, keys for this run only.
    ///
    /// # Errors
    /// See [`Error`]. A state directory that cannot be written is none: most channels need no keys.
    pub(super) fn open(config: &Config, keeps_state: bool) -> Result<Self, Error> {
        let configured: Vec<_> = config
            .hls
            .seal_key
            .iter()
            .chain(&config.hls.old_seal_key)
            .map(Secret::expose)
            .collect();
        if !configured.is_empty() {
            return Ok(Self::of(Keyring::configured(&configured)?));
        }
        if keeps_state {
            return Self::kept(&config.state_dir);
        }
        Ok(Self::of(Keyring::ephemeral()?))
    }

    fn of(keys: Keyring) -> Self {
        Self { seal: Arc::new(Seal::new(keys)), store: None }
    }

    fn kept(directory: &Path) -> Result<Self, Error> {
        match Store::open(directory, SystemTime::now()) {
            Ok(store) => {
                if let Some(warning) = store.warning() {
                    tracing::warn!("{warning}");
                }
                Ok(Self { seal: Arc::new(Seal::new(store.ring())), store: Some(store) })
            }
            Err(error @ (store::Error::Io { .. } | store::Error::Busy(_))) => {
                tracing::warn!("URLs in HLS playlists will not outlive this run: {error}");
                Ok(Self::of(Keyring::ephemeral()?))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What seals and opens.
    pub(super) fn seal(&self) -> Arc<Seal> {
        Arc::clone(&self.seal)
    }

    /// Renews the keys when they are due, until the program stops. Does nothing without a file.
    pub(super) fn start(&mut self, tasks: &Tasks) {
        let Some(store) = self.store.take() else { return };
        let (seal, stopping) = (self.seal(), tasks.stopping());
        tasks.spawn(Span::none(), async move {
            tokio::select! {
                () = store.keep(seal, SystemTime::now) => {}
                () = stopping => {}
            }
        });
    }
}
