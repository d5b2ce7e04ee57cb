//! What viewers are told.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::media::m3u8::Unfit;
use crate::upstream::redirect;

fn failover() -> Failover {
    let seconds = Duration::from_secs;
    Failover {
        response_timeout: seconds(10),
        stall_timeout: Duration::from_millis(2500),
        ..Failover::default()
    }
}

fn status(code: u16) -> Failure {
    Error::Status { code, retry_after: None }.into()
}

/// One failure of each kind with the word and the sentence for it.
fn cases() -> Vec<(Failure, &'static str, &'static str)> {
    const CONNECT: &str = "Unable to connect to upstream source";
    const FORMAT: &str = "Unsupported stream format";
    const CREDENTIALS: &str = "Authentication failed for upstream source";
    const FULL: &str = "All connections of the provider are in use";
    const SLOW: &str = "Stream timeout after 10 seconds";
    let brisk = Duration::from_millis(1500);
    vec![
        (Error::Refused.into(), "connect", CONNECT),
        (Error::Resolve("no such name").into(), "connect", CONNECT),
        (Error::ConnectTimeout(brisk).into(), "connect", CONNECT),
        (Error::Closed.into(), "connect", CONNECT),
        (Error::ResponseTimeout(brisk).into(), "timeout", SLOW),
        (Error::NoMedia(brisk).into(), "timeout", SLOW),
        (
            Error::NoMedia(Duration::from_millis(2500)).into(),
            "timeout",
            "Stream timeout after 2.5 seconds",
        ),
        (status(401), "credentials", CREDENTIALS),
        (status(403), "credentials", CREDENTIALS),
        (status(407), "credentials", CREDENTIALS),
        (status(429), "full", FULL),
        (status(458), "full", FULL),
        (Failure::NoSlot(1), "full", FULL),
        (Error::NotMedia("an HTML page").into(), "format", FORMAT),
        (Failure::NoStart("another kind of stream"), "format", FORMAT),
        (Failure::Unfit(Unfit::FragmentedMp4), "format", FORMAT),
        (status(503), "other", "Stream failed: answered 503"),
        (
            Error::Redirect(redirect::Failure::TooMany).into(),
            "other",
            "Stream failed: redirect: more than 10",
        ),
    ]
}

#[test]
fn each_failure_has_its_sentence() {
    for (failure, word, sentence) in cases() {
        let cause = Cause::of(&failure, &failover());
        assert_eq!((cause.word(), cause.to_string().as_str()), (word, sentence), "{failure}");
    }
    let lost = |reason| Cause::of_loss(reason, &failover()).to_string();
    assert_eq!(lost(Reason::Stalled), "Stream timeout after 2.5 seconds");
    assert_eq!(lost(Reason::Scrambled), "Unsupported stream format");
    assert_eq!(lost(Reason::Ended), "Stream failed: the source has ended the stream");
}

#[test]
fn what_tells_most_is_shown_and_what_is_old_is_not() {
    let attempts = |failures: Vec<Failure>| {
        let attempts = failures.into_iter().enumerate();
        let attempts: Vec<_> = attempts
            .map(|(source, failure)| Attempt { source, failure: Arc::new(failure) })
            .collect();
        Causes::of(&attempts, &failover())
    };
    let mut causes = attempts(vec![Error::Refused.into(), status(403), status(500)]);
    assert_eq!(causes.main(), Cause::Credentials);
    causes.note(1, Cause::Full);
    assert_eq!(causes.main(), Cause::Full);
    causes.note(1, Cause::Connect);
    assert_eq!(causes.main(), Cause::Connect);
    causes.clear();
    assert_eq!(causes.main().word(), "other");
}

proptest! {
    /// Whatever fails in whatever order, as many causes are kept as there are sources, and the one
    /// that is shown is among them.
    #[test]
    fn causes_are_bounded(noted in prop::collection::vec((0_usize..32, 0_usize..18), 1..200)) {
        let (mut causes, cases) = (Causes::default(), cases());
        for (source, case) in &noted {
            causes.note(*source, Cause::of(&cases[*case].0, &failover()));
        }
        prop_assert!(causes.0.len() <= 32);
        let main = causes.main();
        prop_assert!(causes.0.iter().any(|(_, cause)| *cause == main));
        prop_assert!(causes.0.iter().all(|(_, cause)| *cause >= main));
    }
}
