//! What a source file says, without comments, texts and tests.

/// The code of a file: comments are left out, texts are empty, and so is everything from the test module on.
pub(crate) fn code(text: &str) -> String {
    let code = without_comments_and_texts(text);
    let tests = code.match_indices("#[cfg(").find(|(at, _)| {
        let (condition, rest) = code[*at..].split_once(")]").unwrap_or_default();
        let of_tests = condition.split(|c| !is_word(c)).any(|word| word == "test") && !condition.contains("not(test");
        let named = rest.trim_start().strip_prefix("mod ").filter(|_| of_tests);
        named.is_some_and(|named| named.trim_start_matches(is_word).trim_start().starts_with('{'))
    });
    tests.map_or(code.as_str(), |(at, _)| &code[..at]).to_owned()
}

/// Whether a character may stand in a name.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn without_comments_and_texts(text: &str) -> String {
    let (mut code, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => text_bytes(rest),
            'r' if !code.ends_with(is_word) && raw_hashes(rest).is_some() => raw_text_bytes(rest),
            '\'' => character_bytes(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            if first != '/' {
                code.push_str("\"\"");
            }
            rest = &rest[skipped..];
        }
    }
    code
}

/// Bytes of a text in quotes.
fn text_bytes(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// How many `#` begin a raw text.
fn raw_hashes(text: &str) -> Option<usize> {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    text[1 + hashes..].starts_with('"').then_some(hashes)
}

/// Bytes of a raw text.
fn raw_text_bytes(text: &str) -> usize {
    let hashes = raw_hashes(text).unwrap_or_default();
    let end = format!("\"{}", "#".repeat(hashes));
    let begin = 2 + hashes;
    text[begin..].find(&end).map_or(text.len(), |at| begin + at + end.len())
}

/// Bytes of a character in quotes; none where the quote begins a lifetime.
fn character_bytes(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), Some(_)) => characters.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_texts_and_tests_are_left_out() {
        let text = "//! crate::a\nuse crate::b; /* crate::c */ let x: &'static str = \"crate::d \\\" //\"; '\"'; r#\"crate::e\"#;\n\
                    #[cfg(test)]\nuse crate::g;\n#[cfg(test)]\nmod tests {\n use crate::f; }";
        let code = code(text);
        assert!(code.contains("crate::b") && code.contains("crate::g") && code.contains("&'static"), "{code}");
        for left_out in ["crate::a", "crate::c", "crate::d", "crate::e", "crate::f"] {
            assert!(!code.contains(left_out), "{left_out}: {code}");
        }
    }
}
