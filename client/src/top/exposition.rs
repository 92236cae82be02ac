//! The text of `/metrics`, as far as our own server writes it.

use std::collections::BTreeMap;

/// Samples by name.
#[derive(Debug, Default)]
pub(crate) struct Exposition(BTreeMap<String, Vec<(String, f64)>>);

impl Exposition {
    /// Reads the text; what is no sample is passed over.
    pub(crate) fn parse(text: &str) -> Exposition {
        let mut families: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((sample, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse() else { continue };
            let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
            families.entry(name.to_owned()).or_default().push((labels.trim_end_matches('}').to_owned(), value));
        }
        Exposition(families)
    }

    /// The sum over all labels.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        samples_sum(self.0.get(name).into_iter().flatten().map(|(_, value)| *value))
    }

    /// The sum of samples that have a label of this value.
    pub(crate) fn of(&self, name: &str, label: &str, value: &str) -> f64 {
        let samples = self.0.get(name).into_iter().flatten();
        samples_sum(samples.filter(|(labels, _)| label_of(labels, label) == Some(value)).map(|(_, value)| *value))
    }

    /// The sum of samples whose label begins so.
    pub(crate) fn beginning(&self, name: &str, label: &str, begin: &str) -> f64 {
        let samples = self.0.get(name).into_iter().flatten();
        let fits = |labels: &str| label_of(labels, label).is_some_and(|value| value.starts_with(begin));
        samples_sum(samples.filter(|(labels, _)| fits(labels)).map(|(_, value)| *value))
    }
}

/// The sum; of nothing, zero, and not the negative zero that `sum` gives.
fn samples_sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value)
}

/// The value of a label in `a="x",b="y"`. Names of streams, ports and statuses have no quotes in them.
fn label_of<'a>(labels: &'a str, label: &str) -> Option<&'a str> {
    labels.split(',').find_map(|pair| pair.trim().strip_prefix(label)?.strip_prefix("=\"")?.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_name_and_label() {
        let text = "# HELP a x\na{stream=\"s\",cause=\"io\"} 2\na{stream=\"t\"} 3.5\nb 7\nc{status=\"503\"} 1\n\n";
        let found = Exposition::parse(text);
        assert_eq!((found.sum("a"), found.of("a", "stream", "s"), found.of("a", "stream", "x")), (5.5, 2.0, 0.0));
        assert_eq!((found.sum("b"), found.sum("none"), found.beginning("c", "status", "5")), (7.0, 0.0, 1.0));
    }
}
