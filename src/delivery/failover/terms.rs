//! What goes into the failover machine and what comes out of it.

use std::time::Duration;

/// What is allowed, and for how long; from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Times through the list of sources before giving up, at least 1.
    pub(crate) rounds: u32,
    /// Whether a standby is opened while the active is silent but not given up yet.
    pub(crate) hedge: bool,
    /// How long all sources whose providers are full are waited for, together, in one round.
    pub(crate) slot_wait: Duration,
    /// An active that has lived for so long since its join begins a new episode when it fails.
    pub(crate) proven_after: Duration,
    /// The pause after the first round. It doubles after each, is 8 s at most, and lasts up to a
    /// quarter longer at random.
    pub(crate) pause: Duration,
    /// After so long on another source than the first, the first is tried again, unless it is
    /// cooling down, has no free slot, or somebody chose the other one. Doubled, up to 16 times as
    /// long, each time that it fails. At least a second. `None`: nothing moves back by itself.
    pub(crate) failback: Option<Duration>,
}

/// What the machine must know of one source. Sources are named by their index in the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Sources with the same number share a budget of connections; `None`: unlimited.
    pub(crate) provider: Option<u32>,
    /// It is usable at any time. So it is no hedge: it would always win against a source that is only
    /// late.
    pub(crate) is_made: bool,
}

/// The number of one attempt to play a source, from the question for a slot to the end of its
/// stream. Never used twice in a session; 0 is the active of [`Failover::with_active`].
///
/// [`Failover::with_active`]: super::Failover::with_active
pub(crate) type Generation = u32;

/// Why the active is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The source ended its stream in good order: on live that is a failure.
    Ended,
    /// The connection broke.
    Broken,
    /// The body ended before its length, its last chunk or its TLS close.
    Short,
    /// It was silent for the whole stall timeout.
    Stalled,
    /// It was silent, and the standby opened meanwhile was usable first.
    Silent,
    /// It sent nothing but null packets.
    NullPackets,
    /// Packets came, and the clock reference in them stayed the same.
    FrozenClock,
    /// Nearly every packet was scrambled.
    Scrambled,
    /// Nothing that it sent could be begun with.
    NoStart,
    /// Somebody asked for a switch.
    Manual,
    /// The first source could be played again.
    Failback,
    /// There was none: this is the session's first source.
    Start,
}

impl Reason {
    /// The word for metrics and logs: one of a fixed list.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Broken => "broken",
            Self::Short => "short",
            Self::Stalled => "stalled",
            Self::Silent => "silent",
            Self::NullPackets => "null_packets",
            Self::FrozenClock => "frozen_clock",
            Self::Scrambled => "scrambled",
            Self::NoStart => "no_start",
            Self::Manual => "manual",
            Self::Failback => "failback",
            Self::Start => "start",
        }
    }
}

/// Something that happened. An event of a generation that is neither the active nor the standby,
/// or that does not fit its phase, changes nothing: whoever performs actions may report late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Begin to look for a source: the first event of a machine made without an active, and the
    /// way to try again after [`Action::Exhausted`]. Ignored while there is an active or a search.
    Start,
    /// A slot of this source's budget was got for this attempt, by [`Action::Acquire`] or
    /// [`Action::AwaitSlot`]. If it comes after the attempt's [`Action::Drop`] it is ignored, and
    /// the driver gives the slot back.
    Slot(Generation, usize),
    /// No slot is free now: the other answer to [`Action::Acquire`].
    NoSlot(Generation),
    /// The standby's bytes can be joined.
    Usable(Generation),
    /// The attempt failed; the driver has given its slot back.
    Failed(Generation),
    /// The active has been silent for `hedge_after`.
    Quiet(Generation),
    /// Bytes of the active came again after [`Event::Quiet`] or after a stall.
    Heard(Generation),
    /// The active's connection is gone; the driver has given its slot back. Of a standby the same
    /// as [`Event::Failed`].
    Died(Generation, Reason),
    /// The active is still open but no good. It is listened to until its [`Action::Drop`] or the
    /// next [`Action::Join`]; if nothing else can be played it stays, unless it has stalled, and
    /// may be doomed again.
    Doomed(Generation, Reason),
    /// Somebody wants another source: this one, or the next that plays. Each is answered with
    /// exactly one [`Action::Answer`], at once or later.
    Switch {
        /// Comes back in the answer. The machine keeps it apart from others by this alone.
        ticket: u32,
        /// Its index; `None` is the next one in order.
        source: Option<usize>,
    },
    /// [`Failover::deadline`](super::Failover::deadline) has passed. Ignored before it has.
    Timer,
}

/// What is to be done, in the order given. Every action names an attempt that was the active or
/// the standby when the event came, or that the same actions began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Try to get a slot of this source's budget now; answer [`Event::Slot`] or
    /// [`Event::NoSlot`]. Comes a second time for the same attempt after the active was dropped to
    /// make room.
    Acquire {
        /// The attempt, new or the same as before.
        generation: Generation,
        /// Whose budget.
        source: usize,
    },
    /// Wait for the first slot that comes free among these sources' budgets (one source of each
    /// full provider, at least one, in order); answer [`Event::Slot`] with the source that got it.
    /// Until that, or until the attempt's [`Action::Drop`]: the machine has the deadline.
    AwaitSlot {
        /// The attempt, a new one.
        generation: Generation,
        /// Whose budgets.
        sources: Vec<usize>,
    },
    /// Open the source with the slot that was got; answer [`Event::Usable`] or [`Event::Failed`].
    /// The driver has the timeouts.
    Open {
        /// The attempt.
        generation: Generation,
        /// The source.
        source: usize,
    },
    /// Close it and give its slot back before the next action: an attempt in any phase, or the
    /// active. Its later results may be reported or not. Says nothing about the source's health.
    Drop {
        /// The attempt.
        generation: Generation,
    },
    /// The standby becomes the active. The old active, if there is one still open, is closed by
    /// the driver after the join; no [`Action::Drop`] tells of it.
    Join {
        /// The new active.
        generation: Generation,
        /// Why the old one is left.
        reason: Reason,
    },
    /// What became of an [`Event::Switch`].
    Answer {
        /// Of that event.
        ticket: u32,
        /// What became of it.
        outcome: Outcome,
    },
    /// Nothing is left: every source failed or was full in every round, and there is neither an
    /// active nor a standby. [`Event::Start`] begins anew; a pause before it is the driver's.
    Exhausted,
}

/// What became of a switch that somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another source plays now: the one asked for, unless the active was lost meanwhile and yet
    /// another one took over.
    Switched {
        /// The source that was left.
        from: usize,
        /// The source that plays.
        to: usize,
    },
    /// The source asked for is the active.
    AlreadyThere,
    /// The channel has a single source, or none with this index.
    NothingElse,
    /// A failover, a first opening or another switch is going on.
    Busy,
    /// No source that was asked for would play: the session is on the source where it was.
    Failed,
    /// No source would play, and the session has none left.
    Lost,
}

/// What a standby is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// [`Action::Acquire`] was not answered yet.
    Asking,
    /// [`Action::AwaitSlot`] was not answered yet.
    Waiting,
    /// It holds a slot; [`Action::Open`] was not answered yet.
    Opening,
}

/// The machine at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// The attempt that plays, doomed or not, and its source.
    pub(crate) active: Option<(Generation, usize)>,
    /// The attempt on its way, its source and what it is doing. While it waits, the source is the
    /// first of those waited for.
    pub(crate) standby: Option<(Generation, usize, Phase)>,
    /// The round of the running or last episode, from 1; 0 before the first failure.
    pub(crate) round: u32,
    /// Whether another source is looked for, between rounds included.
    pub(crate) searching: bool,
}
