//! The key file on a disk: modes, damage, and several processes at once.

use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::time::UNIX_EPOCH;

use tokio::time::Instant;

use super::*;
use crate::delivery::seal::Behind;
use crate::delivery::seal::Sealed;
use crate::delivery::seal::keys::KEEP;
use crate::delivery::seal::keys::ROTATE;

fn begin() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A directory that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    /// A state directory that does not exist yet, in one that does not either.
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("weir-seal-{}-{name}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        Self(folder.join("state"))
    }

    fn file(&self) -> PathBuf {
        self.0.join(FILE)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(self.0.parent().unwrap()).ok();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn sealed_by(store: &Store) -> Vec<u8> {
    store.ring().seal(b"x").unwrap()
}

#[test]
fn the_first_start_makes_a_key_that_the_next_one_finds() {
    let folder = Folder::new("first");
    let store = Store::open(&folder.0, begin()).unwrap();
    assert_eq!(folder.names(), [FILE, LOCK]);
    assert_eq!((mode(&folder.0), mode(folder.0.parent().unwrap())), (0o700, 0o700));
    assert_eq!((mode(&folder.file()), mode(&folder.0.join(LOCK))), (0o600, 0o600));
    assert_eq!((store.warning(), store.due(begin())), (None, ROTATE));
    let text = fs::read_to_string(folder.file()).unwrap();
    assert!(text.starts_with("# Secret keys of weir's sealed URLs"));
    let again = Store::open(&folder.0, begin() + ROTATE * 2).unwrap();
    assert_eq!(sealed_by(&again), sealed_by(&store));
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), text, "opening does not rotate");
}

#[test]
fn a_directory_that_is_there_keeps_its_mode() {
    let folder = Folder::new("mode");
    fs::create_dir_all(&folder.0).unwrap();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).unwrap();
    Store::open(&folder.0, begin()).unwrap();
    assert_eq!((mode(&folder.0), mode(&folder.file())), (0o755, 0o600));
}

#[test]
fn many_first_starts_at_once_make_one_key() {
    let folder = Folder::new("together");
    let barrier = Barrier::new(8);
    let texts: Vec<_> = thread::scope(|scope| {
        let start = || {
            barrier.wait();
            sealed_by(&Store::open(&folder.0, begin()).unwrap())
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(texts.iter().all(|text| *text == texts[0]));
    assert_eq!(sealed_by(&Store::open(&folder.0, begin()).unwrap()), texts[0]);
    assert_eq!(folder.names(), [FILE, LOCK]);
}

#[test]
fn many_rotations_at_once_make_one_key_and_keep_the_old_one() {
    let folder = Folder::new("rotations");
    let old = sealed_by(&Store::open(&folder.0, begin()).unwrap());
    let barrier = Barrier::new(8);
    let stores: Vec<_> = thread::scope(|scope| {
        let rotate = || {
            let mut store = Store::open(&folder.0, begin()).unwrap();
            barrier.wait();
            store.refresh(begin() + ROTATE).unwrap();
            store
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(rotate)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for store in &stores {
        assert_eq!(sealed_by(store), sealed_by(&stores[0]));
        assert!(store.ring().open(&old).is_some());
    }
    assert_ne!(sealed_by(&stores[0]), old);
    assert_eq!(fs::read_to_string(folder.file()).unwrap().lines().count(), 3 + 2);
}

#[test]
fn what_another_process_wrote_is_taken_over() {
    let folder = Folder::new("other");
    let mut one = Store::open(&folder.0, begin()).unwrap();
    let mut other = Store::open(&folder.0, begin()).unwrap();
    one.refresh(begin() + ROTATE).unwrap();
    // Nothing to write, so no lock is needed.
    let _lock = lock(&folder.0).unwrap();
    other.refresh(begin() + ROTATE).unwrap();
    assert_eq!(sealed_by(&other), sealed_by(&one));
    fs::remove_file(folder.file()).unwrap();
    drop(_lock);
    other.refresh(begin() + ROTATE).unwrap();
    assert!(one.ring().open(&sealed_by(&other)).is_none(), "who removes the file ends the URLs");
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let folder = Folder::new("damaged");
    Store::open(&folder.0, begin()).unwrap();
    let good = fs::read_to_string(folder.file()).unwrap();
    let cases: [(&str, Vec<u8>); 5] = [
        ("line 4 is no key", good.split_at(good.len() - 2).0.into()),
        ("line 5 is a key that stands", format!("{good}{}\n", good.lines().last().unwrap()).into()),
        ("there is no key", Vec::new()),
        ("it is not UTF-8", b"\xff".into()),
        ("it is too long", "#".repeat(20_000).into()),
    ];
    let digits = good.lines().last().unwrap().split_once(' ').unwrap().1.split_at(8).0;
    for (expected, bytes) in cases {
        fs::write(folder.file(), &bytes).unwrap();
        let error = Store::open(&folder.0, begin()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Malformed { .. }));
        assert!(text.starts_with(&format!("the key file {}: {expected}", folder.file().display())));
        assert!(text.contains("restore it or remove it"), "{text}");
        assert!(!text.contains(digits) && !format!("{error:?}").contains(digits));
        assert_eq!(fs::read(folder.file()).unwrap(), bytes);
    }
}

#[test]
fn a_store_goes_on_with_its_keys_when_the_file_is_damaged_under_way() {
    let folder = Folder::new("under-way");
    let mut store = Store::open(&folder.0, begin()).unwrap();
    let text = sealed_by(&store);
    fs::write(folder.file(), "x").unwrap();
    assert!(matches!(store.refresh(begin() + ROTATE), Err(Error::Malformed { .. })));
    assert_eq!(sealed_by(&store), text);
}

#[test]
fn a_place_that_cannot_be_written_is_an_error() {
    let folder = Folder::new("no-directory");
    fs::create_dir_all(folder.0.parent().unwrap()).unwrap();
    fs::write(&folder.0, "a file").unwrap();
    let error = Store::open(&folder.0, begin()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    let path = folder.file();
    assert!(error.to_string().starts_with(&format!("cannot read {}: ", path.display())), "{error}");
    let error = Store::open(Path::new("/proc/weir/state"), begin()).unwrap_err();
    assert!(error.to_string().starts_with("cannot make /proc/weir/state: "), "{error}");
}

#[test]
fn a_file_that_others_can_read_or_change_is_warned_of_until_it_is_replaced() {
    let folder = Folder::new("exposed");
    Store::open(&folder.0, begin()).unwrap();
    for bits in [0o640, 0o604, 0o620] {
        fs::set_permissions(folder.file(), fs::Permissions::from_mode(bits)).unwrap();
        let warning = Store::open(&folder.0, begin()).unwrap().warning().unwrap();
        assert!(warning.contains(&*folder.file().to_string_lossy()), "{warning}");
    }
    let mut store = Store::open(&folder.0, begin()).unwrap();
    store.refresh(begin() + ROTATE).unwrap();
    assert_eq!((store.warning(), mode(&folder.file())), (None, 0o600));
}

#[test]
fn what_a_process_left_when_it_died_is_no_obstacle() {
    let folder = Folder::new("left");
    fs::create_dir_all(&folder.0).unwrap();
    let victim = folder.0.join("victim");
    fs::write(&victim, "untouched").unwrap();
    std::os::unix::fs::symlink(&victim, folder.0.join(TEMPORARY)).unwrap();
    fs::write(folder.0.join(LOCK), "").unwrap();
    Store::open(&folder.0, begin()).unwrap();
    assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
    assert_eq!(folder.names(), [FILE, LOCK, "victim"]);
}

#[test]
fn a_lock_that_is_never_let_go_of_is_an_error() {
    let folder = Folder::new("locked");
    fs::create_dir_all(&folder.0).unwrap();
    let _lock = lock(&folder.0).unwrap();
    let error = Store::open(&folder.0, begin()).unwrap_err();
    assert!(matches!(error, Error::Busy(path) if path == folder.0.join(LOCK)));
}

#[tokio::test(start_paused = true)]
async fn keys_are_kept_fresh_and_a_failure_is_tried_again() {
    let folder = Folder::new("keep");
    let store = Store::open(&folder.0, begin()).unwrap();
    let seal = Arc::new(Seal::new(store.ring()));
    let start = Instant::now();
    let clock = move || begin() + start.elapsed();
    let mut keep = std::pin::pin!(store.keep(Arc::clone(&seal), clock));
    let mut until = async |time: Duration| {
        tokio::select! {
            () = keep.as_mut() => {}
            () = tokio::time::sleep_until(start + time) => {}
        }
    };
    let sealed = Sealed {
        channel: "c".into(),
        source: 0,
        behind: Behind::Media,
        session: 0,
        expires: u32::MAX,
        url: "http://h/".into(),
        variables: Vec::new(),
    };
    let minute = Duration::from_secs(60);
    let first = seal.seal(&sealed).unwrap();
    until(ROTATE - minute).await;
    assert_eq!(seal.seal(&sealed).unwrap(), first);
    until(ROTATE + minute).await;
    let second = seal.seal(&sealed).unwrap();
    assert_ne!(second, first);
    until(ROTATE + KEEP - minute).await;
    assert!(seal.open(&first).is_some());
    until(ROTATE + KEEP + minute).await;
    assert!(seal.open(&first).is_none());
    // A directory in the way cannot be read as a file.
    let aside = folder.0.join("aside");
    fs::rename(folder.file(), &aside).unwrap();
    fs::create_dir(folder.file()).unwrap();
    until(ROTATE * 2 + minute).await;
    assert_eq!(seal.seal(&sealed).unwrap(), second, "better an old key than none");
    fs::remove_dir(folder.file()).unwrap();
    fs::rename(&aside, folder.file()).unwrap();
    until(ROTATE * 2 + RETRY + minute * 2).await;
    assert_ne!(seal.seal(&sealed).unwrap(), second);
    assert!(seal.open(&second).is_some());
}
