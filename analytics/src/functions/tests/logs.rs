use super::*;

/// A log line in single quotes and the rest of a call, and what the row value is.
#[test]
fn log_lines() {
    check_all(&[
        ("regex_log_parse('Mary_had_a_little_lamb', '(.*)_(._.*)_.*')", "{COLUMN1: Mary_had, COLUMN2: a_little}"),
        ("regex_log_parse('nothing', '(.)-(.)')", "NULL"),
        ("regex_log_parse('ab', '(a)')", "NULL"),
        ("regex_log_parse('a', '(a)|(b)')", "{COLUMN1: a, COLUMN2: NULL}"),
        ("get_field(regex_log_parse('a-b', '(.)-(.)'), 'COLUMN2')", "b"),
        ("regex_log_parse('12 x', '(\\d+) (.)', 'n INTEGER, \"s\" VARCHAR(4)')", "{N: 12, s: x}"),
        ("regex_log_parse('12 x', '(\\d+) (.)', 'n INTEGER')", "!has 2 groups and 1 columns"),
        ("regex_log_parse('a', 'a')", "!its pattern has none"),
        ("regex_log_parse('a', lower('(A)'))", "!must be a text written in the query"),
        ("fast_regex_log_parse('Mary_had_a_little_lamb', '(.*)_(._.*)_.*')", "{COLUMN1: Mary_had, COLUMN2: a_little}"),
        (
            "fast_regex_log_parse('Mary____had_a_little_lamb', '(.*)_+(.*)')",
            "{COLUMN1: Mary, COLUMN2: had_a_little_lamb}",
        ),
        ("fast_regex_log_parser('7 apples.', '(<1-31>) (<Alpha>+)\".\"')", "{COLUMN1: 7, COLUMN2: apples}"),
        ("fast_regex_log_parse('ab', '(a)')", "!'ab' does not fit '(a)'"),
        ("fast_regex_log_parse('ab', '(a&b)')", "!uses &, which is not supported"),
        (
            "fixed_column_log_parse('123 true', 'a TYPE INTEGER START 0 FOR 3, b TYPE BOOLEAN START 4')",
            "{A: 123, B: true}",
        ),
        ("fixed_column_log_parse('12x', 'a TYPE INTEGER START 0')", "!column A of a log line"),
        ("fixed_column_log_parse('abc', 'a TYPE VARCHAR START 0, b START 1')", "{A: a, B: bc}"),
        (
            "fixed_column_log_parse('10/Oct/2000:13:55:36', 'at TYPE TIMESTAMP ''dd/MMM/yyyy:HH:mm:ss'' START 0')",
            "{AT: 2000-10-10T13:55:36}",
        ),
        ("fixed_column_log_parse('a', 'a TYPE INTEGER')", "!has no START"),
        ("variable_column_log_parse('a,b', 2, ',')", "{COLUMN1: a, COLUMN2: b}"),
        ("variable_column_log_parse('a\\,b', 1, ',', '\\')", "{COLUMN1: a,b}"),
        ("variable_column_log_parse('a;;\"b;;c\"', 2, ';;', '', '\"')", "{COLUMN1: a, COLUMN2: b;;c}"),
        ("variable_column_log_parse('(a b) c', 2, ' ', '', '()')", "{COLUMN1: a b, COLUMN2: c}"),
        ("variable_column_log_parse('1|2.50', 'a TYPE INTEGER, b TYPE DECIMAL(5,2)', '|')", "{A: 1, B: 2.50}"),
        ("variable_column_log_parse('a,b', 3, ',')", "!has 2 fields, but 3 columns are listed"),
        ("variable_column_log_parse('a,b', 'a TYPE COLOUR', ',')", "!COLOUR is no type of a log column"),
        (
            "sys_log_parse('<34>Oct  1 22:14:15 box su: denied')",
            "{COLUMN1: 1970-10-01T22:14:15, COLUMN2: box su: denied}",
        ),
        ("sys_log_parse('denied')", "!does not begin with a time"),
    ]);
}

#[test]
fn web_logs() {
    let line = r#"(192.168.254.30 - John [24/May/2004:22:01:02 -0700] "GET /icons/apache_pb.gif HTTP/1.1" 304 -"#;
    let line = &line[1..];
    let common = format!("w3c_log_parse('{line}', 'COMMON')");
    let own = format!("w3c_log_parse('{line}', '%h %l %u [%t] \"%r\" %>s %b')");
    let extended = format!("w3c_log_parse('{line} \"http://a b/\" \"Mozilla (X)\"', 'NCSA EXTENDED')");
    let columns = |time: &str| {
        format!(
            "{{COLUMN1: 192.168.254.30, COLUMN2: -, COLUMN3: John, COLUMN4: {time}, \
             COLUMN5: GET /icons/apache_pb.gif HTTP/1.1, COLUMN6: 304, COLUMN7: -"
        )
    };
    let kept = columns("[24/May/2004:22:01:02 -0700]");
    let dropped = columns("24/May/2004:22:01:02 -0700");
    check_all(&[
        (&common, &format!("{kept}}}")),
        (&own, &format!("{dropped}}}")),
        (&extended, &format!("{kept}, COLUMN8: http://a b/, COLUMN9: Mozilla (X)}}")),
        ("w3c_log_parse('a', 'COMMON')", "!W3C_LOG_PARSE: 'a' does not fit 'COMMON'"),
        ("w3c_log_parse('a', 'text')", "!has no column"),
    ]);
}
