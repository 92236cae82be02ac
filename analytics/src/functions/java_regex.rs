//! Regular expressions as Java writes them, for an engine whose time grows with the text and never explodes.
//!
//! Such an engine cannot go back, so look-around, back references, and possessive or atomic parts are refused by name.
//! `\d`, `\w`, `\s`, `\b` and `\p{Alpha}` know ASCII only, as in Java.

use datafusion::common::{Result, exec_datafusion_err, exec_err};
use regex::Regex;

/// Compiles an expression of Java.
pub(super) fn compile(pattern: &str) -> Result<Regex> {
    build(pattern, &translate(pattern)?)
}

/// Compiles an expression of Java that matches a whole text only.
pub(super) fn compile_whole(pattern: &str) -> Result<Regex> {
    build(pattern, &format!("^(?:{})$", translate(pattern)?))
}

/// Compiles `translated`, which says in our engine's way what `pattern` says.
pub(super) fn build(pattern: &str, translated: &str) -> Result<Regex> {
    Regex::new(translated).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        exec_datafusion_err!("the regular expression '{pattern}' cannot be used: {reason}")
    })
}

fn translate(pattern: &str) -> Result<String> {
    let mut translator = Translator { pattern, rest: pattern, out: String::new(), class_depth: 0 };
    while let Some(character) = translator.rest.chars().next() {
        translator.rest = &translator.rest[character.len_utf8()..];
        match character {
            '\\' => translator.escape()?,
            '[' => translator.open_class(),
            ']' if translator.class_depth > 0 => {
                translator.class_depth -= 1;
                translator.out.push(']');
            }
            '(' if translator.class_depth == 0 => translator.group()?,
            '*' | '+' | '?' | '}' if translator.class_depth == 0 => translator.quantifier(character)?,
            // Set operations of our engine, which Java does not have.
            '~' if translator.class_depth > 0 => translator.out.push_str("\\~"),
            '-' if translator.class_depth > 0 && translator.rest.starts_with('-') => translator.out.push_str("\\-"),
            other => translator.out.push(other),
        }
    }
    Ok(translator.out)
}

struct Translator<'a> {
    pattern: &'a str,
    rest: &'a str,
    out: String,
    class_depth: usize,
}

impl Translator<'_> {
    fn refuse<T>(&self, what: &str) -> Result<T> {
        exec_err!("the regular expression '{}' uses {what}, which is not supported; write it without", self.pattern)
    }

    fn open_class(&mut self) {
        self.class_depth += 1;
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.out.push('^');
        }
    }

    fn group(&mut self) -> Result<()> {
        let kinds = [
            ("?=", "look-ahead"),
            ("?!", "look-ahead"),
            ("?<=", "look-behind"),
            ("?<!", "look-behind"),
            ("?>", "an atomic group"),
        ];
        if let Some((_, what)) = kinds.iter().find(|(start, _)| self.rest.starts_with(start)) {
            return self.refuse(what);
        }
        self.out.push('(');
        Ok(())
    }

    fn quantifier(&mut self, character: char) -> Result<()> {
        self.out.push(character);
        if self.rest.starts_with('+') {
            return self.refuse("a possessive quantifier");
        }
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
            self.out.push('?');
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<()> {
        let Some(character) = self.rest.chars().next() else { return self.refuse("a backslash at its end") };
        self.rest = &self.rest[character.len_utf8()..];
        match character {
            'd' => self.class("0-9", false),
            'D' => self.class("0-9", true),
            'w' => self.class("a-zA-Z0-9_", false),
            'W' => self.class("a-zA-Z0-9_", true),
            's' => self.class(" \\t\\n\\x0B\\f\\r", false),
            'S' => self.class(" \\t\\n\\x0B\\f\\r", true),
            'h' => self.class(" \\t\\xA0\\u{1680}\\u{2000}-\\u{200A}\\u{202F}\\u{205F}\\u{3000}", false),
            'p' | 'P' => self.property(character == 'P')?,
            'b' | 'B' if self.class_depth == 0 => self.out.push_str(&format!("(?-u:\\{character})")),
            'Q' => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                self.out.push_str(&regex::escape(quoted));
            }
            'e' => self.out.push_str("\\x1B"),
            'u' => {
                let digits = self.rest.get(..4).unwrap_or(self.rest);
                self.out.push_str(&format!("\\u{{{digits}}}"));
                self.rest = &self.rest[digits.len()..];
            }
            'Z' => self.out.push_str("(?:\\r?\\n)?\\z"),
            '1'..='9' | 'k' => return self.refuse("a back reference"),
            '0' | 'c' | 'G' | 'R' | 'X' | 'N' | 'H' | 'v' | 'V' => {
                return self.refuse(&format!("\\{character}"));
            }
            't' | 'n' | 'r' | 'f' | 'a' | 'x' | 'z' | 'A' => {
                self.out.push('\\');
                self.out.push(character);
            }
            other if other.is_ascii_alphabetic() => return self.refuse(&format!("\\{other}")),
            other => self.out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
        Ok(())
    }

    /// A class of characters, which may stand inside another one.
    fn class(&mut self, members: &str, is_negated: bool) {
        self.out.push_str(&format!("[{}{members}]", if is_negated { "^" } else { "" }));
    }

    /// `\p{..}`: the names of POSIX mean ASCII, all others what Unicode says.
    fn property(&mut self, is_negated: bool) -> Result<()> {
        let Some((name, rest)) = self.rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            return self.refuse("\\p without a name in braces");
        };
        self.rest = rest;
        let posix = [
            "Lower", "Upper", "ASCII", "Alpha", "Digit", "Alnum", "Punct", "Graph", "Print", "Blank", "Cntrl",
            "XDigit", "Space",
        ];
        let not = if is_negated { "^" } else { "" };
        if posix.contains(&name) {
            self.out.push_str(&format!("[[:{not}{}:]]", name.to_ascii_lowercase()));
        } else {
            let name = name.strip_prefix("Is").unwrap_or(name);
            self.out.push_str(&format!("[{not}\\p{{{name}}}]"));
        }
        Ok(())
    }
}
