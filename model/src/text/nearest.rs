//! "Did you mean ..?": finds the name that was probably meant.

use strsim::damerau_levenshtein;

/// The candidate nearest to `word`, if it is near enough to be a slip: at most one letter in four
/// plus one is added, missing, swapped or different. Upper and lower case count as the same letter;
/// among equally near candidates, the one whose case is nearer comes first, then the first in the
/// alphabet.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min_by_key(|(distance, candidate)| (*distance, damerau_levenshtein(word, candidate), *candidate))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = ["Distance", "HealthPoints", "Name", "euros", "name", "unicorns"];

    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, NAMES), expected, "{word}");
    }

    #[test]
    fn slips_are_recognized_and_other_names_are_not() {
        check("Distanc", Some("Distance"));
        check("Distnace", Some("Distance"));
        check("UNICORNZ", Some("unicorns"));
        check("euro", Some("euros"));
        check("helthpoint", Some("HealthPoints"));
        check("Nam", Some("Name"));
        check("nam", Some("name"));
        check("speed", None);
        check("", None);
    }
}
