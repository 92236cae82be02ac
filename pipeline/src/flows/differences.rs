//! What differs between what a flow does and what somebody wants it to do: only what its progress depends on.

use model::flow::admin::Difference;
use model::flow::spec::FlowSpec;

use crate::flows::part::Part;

/// The differences, none where the new parts can go on from what the old ones did.
pub(super) fn differences(old: (&FlowSpec, &[Part]), new: (&FlowSpec, &[Part])) -> Vec<Difference> {
    let mut found = Vec::new();
    for part in old.1 {
        match new.1.iter().find(|other| other.name() == part.name()) {
            Some(other) => of_part(part, other, old.0, new.0, &mut found),
            None => found.push(pump(part, "it is in the query", "it is missing")),
        }
    }
    let added = new.1.iter().filter(|part| old.1.iter().all(|other| other.name() != part.name()));
    found.extend(added.map(|part| pump(part, "it is missing", "it is in the query")));
    found
}

fn pump(part: &Part, is: &str, wanted: &str) -> Difference {
    Difference { part: format!("pump {}", part.name()), is: is.to_owned(), wanted: wanted.to_owned() }
}

fn of_part(old: &Part, new: &Part, old_spec: &FlowSpec, new_spec: &FlowSpec, found: &mut Vec<Difference>) {
    let mut compare = |part: &str, is: String, wanted: String| {
        if is != wanted && found.iter().all(|known| known.part != part) {
            found.push(Difference { part: part.to_owned(), is, wanted });
        }
    };
    compare("source", old.source().to_string(), new.source().to_string());
    match (old, new) {
        (Part::Query(old), Part::Query(new)) => {
            compare("output", old.output().to_string(), new.output().to_string());
            if old.fingerprint() != new.fingerprint() {
                let (is, wanted) = first_difference(sql(old_spec), sql(new_spec));
                compare("sql", is, wanted);
            }
        }
        (Part::Delivery(old), Part::Delivery(new)) => {
            let text = |destination: &model::flow::destination::Destination| match destination.kind() {
                kind if kind == destination.to_string() => kind.to_owned(),
                kind => format!("{kind} {destination}"),
            };
            compare("destination", text(&old.destination), text(&new.destination));
        }
        _ => {}
    }
}

fn sql(spec: &FlowSpec) -> &str {
    match spec {
        FlowSpec::Query(query) => &query.sql,
        FlowSpec::Delivery(_) => "",
    }
}

/// The first lines that differ, with their numbers.
fn first_difference(is: &str, wanted: &str) -> (String, String) {
    let (mut old, mut new, mut number) = (is.lines(), wanted.lines(), 0);
    loop {
        number += 1;
        let shown = |line: Option<&str>| match line {
            Some(line) => format!("line {number}: {}", line.trim()),
            None => format!("line {number}: nothing"),
        };
        match (old.next(), new.next()) {
            (None, None) => return (is.to_owned(), wanted.to_owned()),
            (is, wanted) if is.map(str::trim) != wanted.map(str::trim) => return (shown(is), shown(wanted)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        let (is, wanted) = first_difference("SELECT a\nFROM x", "SELECT a\n  FROM y\n");
        assert_eq!((is.as_str(), wanted.as_str()), ("line 2: FROM x", "line 2: FROM y"));
        let (is, wanted) = first_difference("SELECT a", "SELECT a\nWHERE b");
        assert_eq!((is.as_str(), wanted.as_str()), ("line 2: nothing", "line 2: WHERE b"));
    }
}
