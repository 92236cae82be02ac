//! An error and its causes in one line, for logs and for reports that have one field for it.

use std::error::Error;

/// The error, then each cause, separated by `: `.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failure {
        text: &'static str,
        source: Option<Box<Failure>>,
    }

    #[test]
    fn causes_follow_their_error() {
        let cause = Failure { text: "connection refused", source: None };
        let error = Failure { text: "reading `a`", source: Some(Box::new(cause)) };
        assert_eq!(chain(&error), "reading `a`: connection refused");
        assert_eq!(chain(&Failure { text: "alone", source: None }), "alone");
    }
}
