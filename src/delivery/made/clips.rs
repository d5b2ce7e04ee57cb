//! Clips of what the built-in picture cannot show: images, and texts in any script. FFmpeg renders each
//! once, in the background, and they are kept in a folder and, while they are used, in memory. Whoever
//! wants one that is not there does without.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::Span;

use crate::delivery::made::folder::Folder;
use crate::delivery::made::looped::Clip;
use crate::delivery::made::render;
use crate::delivery::made::render::off_the_lane;
use crate::delivery::made::wanted::Wanted;
use crate::lifecycle::Tasks;

/// Bytes of clips in memory, beside those that are being played.
const HELD_MAX: usize = 32 * 1024 * 1024;

/// Clips that are known of, in memory or not to be had.
const KNOWN_MAX: usize = 256;

/// What could not be rendered is not tried again for so long.
const AGAIN_AFTER: Duration = Duration::from_mins(1);

/// All clips. Cheap to clone; all clones are of the same.
#[derive(Clone)]
pub(crate) struct Clips(Arc<Parts>);

struct Parts {
    /// `None`: nothing may be kept, so nothing is rendered.
    folder: Option<Folder>,
    /// FFmpeg. A reload may change it.
    program: Mutex<PathBuf>,
    /// Guards the map; held to look one up or to change it.
    known: Mutex<HashMap<Wanted, Known>>,
    /// Changes with each clip that has come or will not.
    news: watch::Sender<()>,
    /// Who renders holds it.
    press: tokio::sync::Mutex<()>,
    tasks: Tasks,
}

/// What is known of a clip.
enum Known {
    /// It is fetched or rendered, after it could not be had or for the first time.
    Coming {
        has_failed: bool,
    },
    There(Clip),
    /// It could not be had then.
    Failed(Instant),
}

impl Clips {
    /// Clips kept in `folder`, which is made when the first one is rendered.
    pub(crate) fn new(folder: Option<PathBuf>, tasks: Tasks) -> Self {
        let parts = Parts {
            folder: folder.map(Folder::new),
            program: Mutex::new(PathBuf::from("ffmpeg")),
            known: Mutex::default(),
            news: watch::Sender::new(()),
            press: tokio::sync::Mutex::new(()),
            tasks,
        };
        Self(Arc::new(parts))
    }

    /// From now on clips are rendered with this program, and what could not be had is tried again.
    pub(crate) fn render_with(&self, program: PathBuf) {
        let mut current = self.0.program.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != program {
            *current = program;
            self.known().retain(|_, known| !matches!(known, Known::Failed(_)));
        }
    }

    /// The clip, if it is at hand; else it is fetched or rendered, for whoever wants it next.
    pub(crate) fn get(&self, wanted: &Wanted) -> Option<Clip> {
        self.0.folder.as_ref()?;
        let mut known = self.known();
        let has_failed = match known.get(wanted) {
            Some(Known::There(clip)) => return Some(clip.clone()),
            Some(Known::Coming { .. }) => return None,
            Some(Known::Failed(since)) if since.elapsed() < AGAIN_AFTER => return None,
            Some(Known::Failed(_)) => true,
            None => false,
        };
        if known.len() >= KNOWN_MAX {
            known.retain(|_, known| matches!(known, Known::Coming { .. }));
        }
        if known.len() < KNOWN_MAX {
            known.insert(wanted.clone(), Known::Coming { has_failed });
            let task = self.clone().fetch(wanted.clone());
            self.0.tasks.spawn(Span::none(), task);
        }
        None
    }

    /// The clip, waited for until it is rendered, for so long at most. Cancel safe.
    pub(crate) async fn wait(&self, wanted: &Wanted, patience: Duration) -> Option<Clip> {
        let mut news = self.0.news.subscribe();
        let waiting = async {
            loop {
                news.borrow_and_update();
                if let Some(clip) = self.get(wanted) {
                    return Some(clip);
                }
                if !matches!(self.known().get(wanted), Some(Known::Coming { .. })) {
                    return None;
                }
                news.changed().await.ok()?;
            }
        };
        timeout(patience, waiting).await.ok().flatten()
    }

    /// Fetches a clip from the folder, or renders it.
    async fn fetch(self, wanted: Wanted) {
        let clip = self.find(&wanted).await;
        let mut known = self.known();
        let held = |known: &Known| match known {
            Known::There(clip) => clip.bytes().len(),
            Known::Coming { .. } | Known::Failed(_) => 0,
        };
        let new = match clip {
            Ok(clip) => {
                if known.values().map(held).sum::<usize>() + clip.bytes().len() > HELD_MAX {
                    // They are in the folder still.
                    known.retain(|_, known| !matches!(known, Known::There(_)));
                }
                Known::There(clip)
            }
            Err(why) => {
                let (what, again) = (wanted.word(), known.get(&wanted));
                if !matches!(again, Some(Known::Coming { has_failed: true })) {
                    tracing::warn!(what, "the built-in picture is shown instead: {why}");
                }
                Known::Failed(Instant::now())
            }
        };
        known.insert(wanted, new);
        drop(known);
        self.0.news.send_replace(());
    }

    async fn find(&self, wanted: &Wanted) -> Result<Clip, render::Error> {
        let folder = self.0.folder.as_ref().ok_or(render::Error::NoFolder)?;
        let _one = self.0.press.lock().await;
        let (own, seen) = (folder.clone(), wanted.clone());
        let found = off_the_lane(move || {
            let name = seen.name()?;
            Ok((own.read(&name), name))
        });
        let (clip, name) = found.await.map_err(render::Error::Image)?;
        if let Some(clip) = clip {
            return Ok(clip);
        }
        let program = self.0.program.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let clip = render::render(&program, wanted, folder, &name).await?;
        let (own, new) = (folder.clone(), clip.clone());
        let kept = off_the_lane(move || own.keep(&name, &new));
        kept.await.map_err(render::Error::Folder)?;
        Ok(clip)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Wanted, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
