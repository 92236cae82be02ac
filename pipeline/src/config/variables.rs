//! `GALLOP_*` variables.

use model::text::nearest::nearest;

/// Environment variables that are understood; another `GALLOP_*` is an error.
pub(crate) const VARIABLES: [&str; 15] = [
    "GALLOP_ACCESS_KEY_ID",
    "GALLOP_ACCOUNT_ID",
    "GALLOP_AWS",
    "GALLOP_CONFIG",
    "GALLOP_DATA",
    "GALLOP_HOST",
    "GALLOP_KAFKA_PASSWORD",
    "GALLOP_KAFKA_USERNAME",
    "GALLOP_LOG",
    "GALLOP_LOG_FORMAT",
    "GALLOP_PORT",
    "GALLOP_REGION",
    "GALLOP_SECRET_ACCESS_KEY",
    "GALLOP_SIGNATURES",
    "GALLOP_TOKEN",
];

/// Refuses `GALLOP_*` variables that nothing reads: a misspelt setting must not be ignored.
pub(crate) fn check_variables(mut names: impl Iterator<Item = String>) -> Result<(), String> {
    let unknown = |name: &String| name.starts_with("GALLOP_") && !VARIABLES.contains(&name.as_str());
    let Some(name) = names.find(unknown) else { return Ok(()) };
    let hint = match nearest(&name, VARIABLES) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("the known ones are {}", VARIABLES.join(", ")),
    };
    Err(format!("unknown environment variable {name}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_variables_are_refused() {
        let check = |name: &str| check_variables([name.to_owned()].into_iter());
        assert_eq!(check("GALLOP_PORT"), Ok(()));
        assert_eq!(check("PATH"), Ok(()));
        let expected = "unknown environment variable GALLOP_PROT; did you mean GALLOP_PORT?";
        assert_eq!(check("GALLOP_PROT"), Err(expected.to_owned()));
    }
}
