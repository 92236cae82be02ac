//! What can go wrong with a cluster, before the stream's name is put to it.

use std::io;

use model::name::StreamName;
use model::stream::store::StreamError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Trouble with the cluster.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub(crate) struct Fault {
    doing: String,
    #[source]
    source: io::Error,
}

impl Fault {
    /// For `map_err`: what was being done when the client failed.
    pub(crate) fn doing(doing: impl Into<String>) -> impl FnOnce(KafkaError) -> Fault {
        let doing = doing.into();
        move |error| Fault { doing, source: io_error(error) }
    }

    /// No answer within a named bound.
    pub(crate) fn late(doing: impl Into<String>) -> Fault {
        let source = io::Error::new(io::ErrorKind::TimedOut, "the brokers did not answer in time");
        Fault { doing: doing.into(), source }
    }

    /// Something on the cluster that is not as the store keeps it.
    pub(crate) fn found(doing: impl Into<String>, what: impl Into<String>) -> Fault {
        Fault { doing: doing.into(), source: io::Error::new(io::ErrorKind::InvalidData, what.into()) }
    }

    /// The same as an error of `stream`.
    pub(crate) fn of(self, stream: &StreamName) -> StreamError {
        StreamError::Io { stream: stream.clone(), doing: self.doing, source: self.source }
    }
}

pub(crate) fn io_error(error: KafkaError) -> io::Error {
    let kind = match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::MessageTimedOut | RDKafkaErrorCode::RequestTimedOut,
        ) => io::ErrorKind::TimedOut,
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::Authentication,
        ) => io::ErrorKind::PermissionDenied,
        Some(
            RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve,
        ) => io::ErrorKind::ConnectionRefused,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
