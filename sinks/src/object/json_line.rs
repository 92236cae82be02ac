//! How a record becomes lines of an archived object, one for each of its JSON objects; what may be one, [`RecordText`] says.

use model::text::json_object::{NotAnObject, RecordText};

/// Appends the objects of `data` to `lines`, and says how many they are. Error: the reason why it is none; `lines` is
/// unchanged.
pub fn push_lines(lines: &mut Vec<u8>, data: &[u8]) -> Result<usize, NotAnObject> {
    let text = RecordText::of(data)?;
    let objects = text.objects()?;
    for object in &objects {
        if object.contains(['\n', '\r']) {
            push_without_whitespace(lines, object.as_bytes());
        } else {
            lines.extend(object.as_bytes());
        }
        lines.push(b'\n');
    }
    Ok(objects.len())
}

/// Outside of strings whitespace means nothing; inside of them JSON allows no line breaks.
fn push_without_whitespace(lines: &mut Vec<u8>, document: &[u8]) {
    let (mut in_string, mut escaped) = (false, false);
    for &byte in document {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        lines.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    fn line(data: &[u8]) -> Result<String, NotAnObject> {
        let mut lines = Vec::new();
        push_lines(&mut lines, data)?;
        Ok(String::from_utf8(lines).unwrap())
    }

    #[test]
    fn each_object_is_one_line() {
        for (data, expected) in [
            (r#"{"a":1}"#, r#"{"a":1}"#),
            ("{\"a\": 1}\n", r#"{"a": 1}"#),
            (" \t{}\r\n", "{}"),
            ("\u{feff}{\"a\":1}{\"b\":\n2}\n", "{\"a\":1}\n{\"b\":2}"),
            ("{\n  \"a b\": [1,\r\n 2],\n  \"c\": \"x \\\" \\\\\"\n}", r#"{"a b":[1,2],"c":"x \" \\"}"#),
            (r#"{"s":"\ud83e\udd84 \n"}"#, r#"{"s":"\ud83e\udd84 \n"}"#),
        ] {
            assert_eq!(line(data.as_bytes()).unwrap(), format!("{expected}\n"), "{data}");
        }
    }

    #[test]
    fn what_is_no_object_leaves_the_lines_as_they_are() {
        let mut lines = b"kept\n".to_vec();
        assert_eq!(push_lines(&mut lines, b"{} [1]").unwrap_err().to_string(), "JSON, but not an object");
        assert_eq!(lines, b"kept\n");
    }

    proptest! {
        #[test]
        fn pretty_objects_become_one_line_of_the_same_value(pairs in prop::collection::vec((".*", ".*", any::<f64>()), 0..5)) {
            let mut object = Map::new();
            for (name, text, number) in pairs {
                object.insert(name, serde_json::json!([text, number, {"inner": null}]));
            }
            let line = line(&serde_json::to_vec_pretty(&object).unwrap()).unwrap();
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), Value::Object(object));
        }
    }
}
