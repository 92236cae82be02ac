//! The scanner against the parser: what it takes, the parser takes too and reads the same.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::aws::error::AwsError;
use crate::aws::wire::json;

/// What an action makes of a body: the names, and of each record data, key and explicit hash key.
type Meaning = (Vec<Option<String>>, Option<Vec<(Option<Vec<u8>>, Option<String>, Option<String>)>>);

/// Reads to the end, base64 too, as an action does. Error: the name that its client sees.
fn meaning(input: Result<Input<'_>, AwsError>) -> Result<Meaning, &'static str> {
    let own = |text: &Option<Text<'_>>| text.as_deref().map(str::to_owned);
    let record = |entry: &Entry<'_>| -> Result<_, AwsError> {
        let mut data = Vec::new();
        let decoded = entry.data.as_ref().map(|blob| blob.append_to(&mut data)).transpose()?;
        Ok((decoded.map(|()| data), own(&entry.partition_key), own(&entry.explicit_hash_key)))
    };
    let read = |input: Input<'_>| {
        let records = input.records.as_ref().map(|records| records.iter().map(record).collect::<Result<_, _>>());
        Ok((vec![own(&input.stream_name), own(&input.stream_arn)], records.transpose()?))
    };
    input.and_then(read).map_err(|wrong| wrong.name)
}

/// Both ways to read a body come to the same end.
#[track_caller]
fn check_same(body: &[u8]) {
    if let Some(found) = scan(body) {
        assert_eq!(meaning(Ok(found)), meaning(json::read(body)), "{}", String::from_utf8_lossy(body));
    }
}

#[track_caller]
fn check(body: &str, scanned: bool) {
    assert_eq!(scan(body.as_bytes()).is_some(), scanned, "{body}");
    check_same(body.as_bytes());
}

#[test]
fn plain_bodies_are_scanned() {
    for body in [
        r#"{"StreamName":"s","Records":[{"Data":"YQ==","PartitionKey":"k"}]}"#,
        r#"{"Records":[{"PartitionKey":"k","Data":""},{"ExplicitHashKey":"1"}],"StreamARN":"arn"}"#,
        " { \"Records\" : [ {\n\"Data\" :\t\"YQ==\" , \"PartitionKey\" : \"käse\" } ] } \r\n",
        r#"{"StreamName":"s"}"#,
        r#"{"Records":[{"Data":"no base64!"}]}"#,
    ] {
        check(body, true);
    }
}

#[test]
fn all_others_are_left_to_the_parser() {
    for body in [
        "",
        "{}",
        "[]",
        r#"{"StreamName":"s""#,
        r#"{"StreamName":"s"}}"#,
        r#"{"StreamName":"s",}"#,
        r#"{"StreamName":"s" "Records":[]}"#,
        r#"{"StreamName":"s","StreamName":"s"}"#,
        r#"{"StreamName":null}"#,
        r#"{"StreamName":"s","Records":[]}"#,
        r#"{"StreamName":"s","Records":[{}]}"#,
        r#"{"StreamName":"s","DryRun":true}"#,
        r#"{"Records":[{"Data":"YQ\u003d="}]}"#,
        r#"{"Records":[{"PartitionKey":"\n"}]}"#,
        "{\"Records\":[{\"PartitionKey\":\"\n\"}]}",
        r#"{"Records":[{"Data":"YQ==","Data":"YQ=="}]}"#,
        r#"{"Records":[{"Data":"YQ==","More":1}]}"#,
        r#"{"Records":[{"Data":"YQ=="} {"Data":"YQ=="}]}"#,
        r#"{"Records":[{"DataX":"YQ=="}]}"#,
    ] {
        check(body, false);
    }
    assert_eq!(scan(b"{\"StreamName\":\"\xff\"}"), None);
}

/// A body of few bytes a record asks for no memory beyond the bound, whoever reads it.
#[test]
fn too_many_records_are_not_kept() {
    let body = |records| format!(r#"{{"Records":[{}]}}"#, vec![r#"{"Data":""}"#; records].join(","));
    check(&body(limits::PUT_RECORDS_MAX), true);
    check(&body(limits::PUT_RECORDS_MAX + 1), false);
    let many = body(100 * limits::PUT_RECORDS_MAX);
    let read: Input<'_> = json::read(many.as_bytes()).expect("valid JSON");
    assert_eq!(read.records.map(|records| records.len()), Some(limits::PUT_RECORDS_MAX + 1));
}

/// A body as some client may write it, from pieces that are mostly right.
fn bodies() -> impl Strategy<Value = String> {
    let space = || select(&["", "", "", " ", "\n", "\r\n\t"][..]);
    let text = prop_oneof![
        6 => "[a-zA-Z0-9äß€🦄/+=_-]{0,12}".prop_map(|text| format!("\"{text}\"")),
        4 => prop::collection::vec(any::<u8>(), 0..20)
            .prop_map(|data| format!("\"{}\"", base64_simd::STANDARD.encode_to_string(data))),
        1 => "\\PC{0,8}".prop_map(|text| serde_json::to_string(&text).expect("text is JSON")),
        1 => select(&["null", "true", "7", "[]", "{}", "\"\\u0041\"", "\"\\/\"", "\"\u{7f}\""][..]).prop_map(str::to_owned),
    ];
    let member = |names: &'static [&'static str], value: BoxedStrategy<String>| {
        (select(names), space(), space(), value)
            .prop_map(|(name, before, after, value)| format!("\"{name}\"{before}:{after}{value}"))
    };
    let object = move |members: BoxedStrategy<String>, count: std::ops::Range<usize>| {
        (prop::collection::vec(members, count), space(), space())
            .prop_map(|(members, one, two)| format!("{{{one}{}{two}}}", members.join(&format!("{two},{one}"))))
    };
    let text = text.boxed();
    let names = &["Data", "PartitionKey", "Data", "PartitionKey", "ExplicitHashKey", "data", "Unknown"][..];
    let records = prop::collection::vec(object(member(names, text.clone()).boxed(), 1..4), 0..4)
        .prop_map(|records| format!("[{}]", records.join(",")));
    let names = &["StreamName", "StreamARN", "StreamName", "StreamId", "DryRun", "Unknown"][..];
    let members = prop_oneof![member(names, text), member(&["Records"], records.boxed())];
    (space(), object(members.boxed(), 1..4), space()).prop_map(|(one, body, two)| format!("{one}{body}{two}"))
}

/// A change to a body: at a place, so many bytes go and these come.
fn mangling() -> impl Strategy<Value = (Index, usize, Vec<u8>)> {
    let bytes = prop_oneof![select(&b"{}[],:\"\\ nDua0=\n\x00\x1f\x7f\xc3\xa4\xff"[..]), any::<u8>()];
    (any::<Index>(), 0usize..3, prop::collection::vec(bytes, 0..3))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn scanner_and_parser_read_the_same(body in bodies()) {
        check_same(body.as_bytes());
    }

    #[test]
    fn scanner_and_parser_read_the_same_of_mangled_bodies(body in bodies(), changes in prop::collection::vec(mangling(), 1..4)) {
        let mut body = body.into_bytes();
        for (at, gone, come) in changes {
            let at = at.index(body.len() + 1);
            body.splice(at..body.len().min(at + gone), come);
        }
        check_same(&body);
    }

    /// A plain body with one byte changed, where the scanner gets farthest.
    #[test]
    fn scanner_and_parser_read_the_same_of_one_wrong_byte(at: Index, (_, _, come) in mangling()) {
        let body = r#"{"StreamName":"s","Records":[{"Data":"YQ==","PartitionKey":"kä"},{"PartitionKey":"l","Data":"Yg=="}]}"#;
        let mut body = body.as_bytes().to_vec();
        let at = at.index(body.len());
        body.splice(at..=at, come);
        check_same(&body);
    }

    #[test]
    fn bodies_of_a_usual_client_are_scanned(records in prop::collection::vec((any::<Vec<u8>>(), "[^\\x00-\\x1f\"\\\\]{1,20}"), 1..20)) {
        let entry = |(data, key): &(Vec<u8>, String)| {
            serde_json::json!({"Data": base64_simd::STANDARD.encode_to_string(data), "PartitionKey": key})
        };
        let body = serde_json::json!({"StreamName": "s", "Records": records.iter().map(entry).collect::<Vec<_>>()});
        let body = serde_json::to_vec(&body).expect("valid JSON");
        let found = meaning(Ok(scan(&body).expect("plain"))).expect("valid base64").1.expect("records");
        let expected: Vec<_> = records.into_iter().map(|(data, key)| (Some(data), Some(key), None)).collect();
        prop_assert_eq!(found, expected);
    }
}
