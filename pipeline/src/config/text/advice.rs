//! What to write instead of what the parser of TOML, or serde, does not understand: their messages
//! say what is wrong.

use crate::config::text::error::suggestion;

/// Names that are listed where none is near.
const NAMES_MAX: usize = 12;

/// What a message of theirs calls for.
pub(crate) fn advise(message: &str) -> String {
    if let Some(near) = suggestion(message) {
        return format!("did you mean `{near}`?");
    }
    if message.starts_with("unknown ") {
        let names: Vec<&str> = message.split('`').skip(1).step_by(2).skip(1).collect();
        let more = if names.len() > NAMES_MAX { ", .." } else { "" };
        let names: Vec<String> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
        return format!("the settings here are {}{more}", names.join(", "));
    }
    if message.starts_with("missing field") {
        let name = message.split('`').nth(1).unwrap_or_default();
        return format!("add `{name} = ..` to this table");
    }
    let expected = message.rsplit("expected ").next().unwrap_or_default();
    if ["invalid type", "invalid value", "invalid length"].iter().any(|kind| message.starts_with(kind)) {
        return of_type(expected);
    }
    of_syntax(message)
}

/// What a value of the expected type looks like.
fn of_type(expected: &str) -> String {
    let integer = |text: &str| match text {
        "u8" => Some("0 to 255"),
        "u16" => Some("0 to 65535"),
        "u32" => Some("0 to 4294967295"),
        "u64" | "usize" => Some("0 or more"),
        "i32" => Some("-2147483648 to 2147483647"),
        "i64" => Some("any size"),
        _ => None,
    };
    if let Some(range) = integer(expected) {
        return format!("write a whole number without quotes, {range}");
    }
    match expected {
        "a string" | "a borrowed string" | "path string" => "write text in double quotes".to_owned(),
        "a boolean" => "write true or false, without quotes".to_owned(),
        "f32" | "f64" => "write a number with a point, such as 0.5".to_owned(),
        "a sequence" => "write a list, as in [\"a\", \"b\"]".to_owned(),
        "IP address" => "write an address such as \"127.0.0.1\" or \"::1\"".to_owned(),
        text if text.starts_with("struct") || text == "a map" => {
            "write a table: [name] on a line of its own, or { key = value }".to_owned()
        }
        text => format!("write {text}"),
    }
}

/// Where the text is no TOML, or a value is refused by its type.
fn of_syntax(message: &str) -> String {
    let has = |part: &str| message.contains(part);
    let advice = if has("IP address") {
        "write an address such as \"127.0.0.1\" or \"::1\""
    } else if has("duplicate key") {
        "it is defined twice: keep one"
    } else if has("is not valid: use") {
        "write a name like `rides-2`"
    } else if has("untagged enum") {
        "write text, a whole number, true or false"
    } else if has("string") || has("quot") {
        "put text in double quotes, opened and closed on one line"
    } else if has("key with no value") || has("missing value") || has("extra `=`") {
        "write `key = value`"
    } else if has("table") || has("`]`") || has("header") {
        "write a table's name in brackets, as in [streams.rides]"
    } else {
        "write `key = value`: text in double quotes, a table as [name], a comment behind #"
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_message_gets_its_advice() {
        for (message, advice) in [
            ("unknown field `prot`, expected one of `port`, `host`", "did you mean `port`?"),
            ("unknown field `xyzzy`, expected `port` or `host`", "the settings here are `port`, `host`"),
            ("missing field `sql`", "add `sql = ..` to this table"),
            ("invalid type: string \"80\", expected u16", "write a whole number without quotes, 0 to 65535"),
            ("invalid value: integer `70000`, expected u16", "write a whole number without quotes, 0 to 65535"),
            ("invalid type: integer `1`, expected a string", "write text in double quotes"),
            ("invalid type: string \"yes\", expected a boolean", "write true or false, without quotes"),
            ("invalid IP address syntax", "write an address such as \"127.0.0.1\" or \"::1\""),
            ("duplicate key", "it is defined twice: keep one"),
        ] {
            assert_eq!(advise(message), advice, "{message}");
        }
    }
}
