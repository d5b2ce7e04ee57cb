//! Why a body is cut.

/// Why a client's body ends short. hyper cuts the connection then, so that the player sees an
/// incomplete message and never takes it for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The source broke or ended early, and there is no other.
    #[error("the source failed")]
    Source,
    /// The source sent nothing for too long, and there is no other.
    #[error("the source went silent")]
    Stalled,
    /// It was behind the others of its relay for too long.
    #[error("the client was too slow")]
    TooSlow,
    /// A reload took the channel away.
    #[error("the channel was changed")]
    Reloaded,
    /// Its viewer has gone on to something else.
    #[error("its viewer has gone on to something else")]
    Replaced,
}
