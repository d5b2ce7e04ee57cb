//! How sessions end.

/// How a session ended. The words are the values of the metric's `end` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client closed or reset its connection.
    ClientClosed,
    /// The client took no byte for `client_timeout`.
    ClientTimeout,
    /// Everything that was asked for was read and handed on; the last bytes of it may still be on
    /// their way to the client.
    Complete,
    /// The source closed a live stream.
    SourceEnded,
    /// The source broke, or its body was cut short.
    SourceFailed(&'static str),
    /// The source sent nothing although the client was ready.
    SourceStalled,
    /// The same viewer asked for something else, and its provider has no other connection.
    Replaced,
    /// It is a client of a relay and was behind for too long.
    TooSlow,
    /// It is a relay that nobody has watched for `relay.idle_timeout`.
    Idle,
    /// Somebody has stopped its relay.
    Stopped,
    /// A reload changed or removed the channel.
    Reloaded,
    /// The program stopped and its grace was over.
    Shutdown,
}

impl End {
    /// The word for metrics and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ClientClosed => "client_closed",
            Self::ClientTimeout => "client_timeout",
            Self::Complete => "complete",
            Self::SourceEnded => "source_ended",
            Self::SourceFailed(_) => "source_failed",
            Self::SourceStalled => "source_stalled",
            Self::Replaced => "replaced",
            Self::TooSlow => "too_slow",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
            Self::Reloaded => "reloaded",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whose side it was.
    #[must_use]
    pub fn side(self) -> &'static str {
        match self {
            Self::ClientClosed | Self::ClientTimeout | Self::Replaced | Self::TooSlow => "client",
            Self::Complete | Self::Idle => "nobody",
            Self::SourceEnded | Self::SourceFailed(_) | Self::SourceStalled => "source",
            Self::Stopped | Self::Reloaded | Self::Shutdown => "weir",
        }
    }
}
