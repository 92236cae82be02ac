//! What routes do, in the words of policies, and what of it is also an operation of Kinesis.

use std::fmt;

/// The service's name in signatures and policies.
pub(crate) const SCOPE: &str = "gallop";

/// What a route lets its caller do, as policies name it: `gallop:ListTables`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    ListTables,
    DescribeTable,
    Scan,
    Query,
    GetItem,
    ListStreams,
    Reshard,
    Records,
    ListSensorSchemas,
    PutSensorSchema,
    ListSensorPorts,
    DescribeSensorPort,
    PutSensorPort,
    DeleteSensorPort,
    SensorStats,
    ListQueries,
    DescribeQuery,
    CreateQuery,
    AlterQuery,
    PauseQuery,
    ResumeQuery,
    DropQuery,
    ListDeliveries,
    DescribeDelivery,
    CreateDelivery,
    AlterDelivery,
    PauseDelivery,
    ResumeDelivery,
    DropDelivery,
    Live,
    Doctor,
    Sql,
    Metrics,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCOPE}:{self:?}")
    }
}

impl Action {
    /// Whether a request of the action says only in its body, or not at all, which streams it is
    /// about. Its handler asks for each of them; before that, the caller must be allowed the action
    /// on something.
    pub(crate) fn names_streams_late(self) -> bool {
        matches!(
            self,
            Action::Sql
                | Action::Live
                | Action::CreateQuery
                | Action::AlterQuery
                | Action::CreateDelivery
                | Action::AlterDelivery
        )
    }

    /// What the action does with the stream in its path, if it has one.
    pub(crate) fn on_its_stream(self) -> StreamUse {
        match self {
            Action::Records => StreamUse::Read,
            Action::Reshard => StreamUse::Reshard,
            _ => StreamUse::Other,
        }
    }
}

/// What is done with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamUse {
    /// Its records are read, or figures that are made of them.
    Read,
    /// Records are put into it.
    Write,
    /// Its shards are changed.
    Reshard,
    /// It is deleted.
    Delete,
    /// Nothing that another action does too.
    Other,
}

impl StreamUse {
    /// The actions that do the same. Who is denied one of them on a stream is denied them all.
    pub(crate) fn same(self) -> &'static [&'static str] {
        match self {
            StreamUse::Read => {
                &["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:SubscribeToShard", "gallop:Records"]
            }
            StreamUse::Write => &["kinesis:PutRecord", "kinesis:PutRecords"],
            StreamUse::Reshard => &["kinesis:SplitShard", "kinesis:MergeShards"],
            StreamUse::Delete => &["kinesis:DeleteStream"],
            StreamUse::Other => &[],
        }
    }
}
