//! What a page shows of a command's output, against what it printed.

/// Whether `printed` is what a page shows: line by line, but for `…`, which stands for any text, and alone in a line for any
/// lines.
pub(crate) fn shows(shown: &str, printed: &str) -> bool {
    let lines = |text: &str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    lines_match(&lines(shown), &lines(printed))
}

fn lines_match(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((any, rest)) if any == "…" => (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| line_matches(line, first) && lines_match(rest, others))
        }
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut left) = parts.next().and_then(|begin| printed.strip_prefix(begin)) else { return false };
    let Some(end) = parts.next_back() else { return left.is_empty() };
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

#[test]
fn what_is_shown_is_held_against_what_is_printed() {
    for (shown, printed, expected) in [
        ("a\nb\n", "a\nb", true),
        ("a\nb", "a", false),
        ("a", "a\nb", false),
        ("a\n…", "a\nb\nc", true),
        ("…\nc", "a\nb\nc", true),
        ("…", "", true),
        ("x…z", "xyz", true),
        ("x…z", "xz", true),
        ("x…z", "x", false),
        ("{\"n\":…,\"m\":…}", "{\"n\":1,\"m\":2}", true),
        ("a…b…c", "acb", false),
        ("ab…ba", "aba", false),
    ] {
        assert_eq!(shows(shown, printed), expected, "{shown:?} {printed:?}");
    }
}
