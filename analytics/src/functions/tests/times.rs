use super::time_pattern::Pattern;
use super::time_print::print;
use super::time_read::read;
use super::*;
use crate::functions::qualifier::Qualifier;
use crate::functions::span::Span;

#[test]
fn floor_ceil_step_extract() {
    check_all(&[
        ("aws_floor_time(TIMESTAMP '2004-09-30 13:48:23', 'HOUR')", "2004-09-30T13:00:00"),
        ("aws_floor_time(TIMESTAMP '2004-09-30 13:48:23', 'month')", "2004-09-01T00:00:00"),
        ("aws_floor_time(TIMESTAMP '2004-09-30 13:48:23', 'YEAR')", "2004-01-01T00:00:00"),
        ("aws_floor_time(TIMESTAMP '1969-12-31 23:59:59.5', 'MINUTE')", "1969-12-31T23:59:00"),
        ("aws_floor_time(TIME '13:48:23', 'HOUR')", "13:00:00"),
        ("aws_floor_time(DATE '2004-09-30', 'YEAR')", "2004-01-01"),
        ("aws_ceil_time(TIME '13:48:23', 'HOUR')", "14:00:00"),
        ("aws_ceil_time(TIMESTAMP '2004-09-30 13:48:23', 'DAY')", "2004-10-01T00:00:00"),
        ("aws_ceil_time(TIMESTAMP '2004-09-30 13:48:00', 'MINUTE')", "2004-09-30T13:48:00"),
        ("aws_ceil_time(TIMESTAMP '2004-12-30 13:48:23', 'YEAR')", "2005-01-01T00:00:00"),
        ("aws_floor_time(TIMESTAMP '2004-09-30 13:48:23', 'DECADE')", "!DECADE is no unit of time"),
        ("aws_step(TIMESTAMP '2004-09-30 13:48:23', aws_interval('10', 'SECOND'))", "2004-09-30T13:48:20"),
        ("aws_step(TIMESTAMP '2004-09-30 13:48:23', INTERVAL '2' HOUR)", "2004-09-30T12:00:00"),
        // 12,689 days after 1970 began, so the step of five days began on day 12,685.
        ("aws_step(TIMESTAMP '2004-09-27 10:00:00', aws_interval('5', 'DAY'))", "2004-09-24T00:00:00"),
        ("aws_step(DATE '2004-09-27', aws_interval('5', 'DAY'))", "2004-09-24"),
        ("aws_step(TIMESTAMP '1969-12-31 23:59:59', aws_interval('1', 'HOUR'))", "1969-12-31T23:00:00"),
        ("aws_step(TIMESTAMP '2004-09-30 13:48:23', aws_interval('3', 'MONTH'))", "2004-07-01T00:00:00"),
        ("aws_step(TIMESTAMP '1969-09-30 13:48:23', aws_interval('1', 'YEAR'))", "1969-01-01T00:00:00"),
        ("aws_step(37, 10)", "30"),
        ("aws_step(-37, 10)", "-30"),
        ("aws_step(37, 0)", "!take a number above 0"),
        ("aws_step(37, aws_interval('1', 'HOUR'))", "!STEP takes a time BY an INTERVAL"),
        ("aws_extract_second(TIMESTAMP '2004-09-30 13:48:23.456')", "23.456"),
        ("aws_extract_minute(TIMESTAMP '2004-09-30 13:48:23.456')", "48"),
        ("aws_extract_hour(TIME '13:48:23')", "13"),
        ("aws_extract_day(DATE '2004-09-30')", "30"),
        ("aws_extract_month(DATE '2004-09-30')", "9"),
        ("aws_extract_year(TIMESTAMP '2004-09-30 13:48:23')", "2004"),
        ("aws_extract_year(TIME '13:48:23')", "!a TIME has no Year"),
        ("aws_extract_hour(aws_interval('2 3:4:5.678', 'DAY TO SECOND'))", "3"),
        ("aws_extract_second(aws_interval('2 3:4:5.678', 'DAY TO SECOND'))", "5.678"),
        ("aws_extract_month(aws_interval('3-4', 'YEAR TO MONTH'))", "4"),
    ]);
}

#[test]
fn milliseconds_and_the_current_time() {
    check_all(&[
        ("tsdiff(TIMESTAMP '2004-09-30 13:48:23', TIMESTAMP '2004-09-30 13:49:23.5')", "60500"),
        ("tsdiff(1000, 400)", "-600"),
        ("tsdiff(NULL, TIMESTAMP '2004-09-30 13:48:23')", "NULL"),
        ("tsdiff('a', 1)", "!TSDIFF takes TIMESTAMPs"),
        ("unix_timestamp(TIMESTAMP '1970-01-01 00:00:01.5')", "1500"),
        ("unix_timestamp('1970')", "!argument 1 of UNIX_TIMESTAMP must be a TIMESTAMP, but it is VARCHAR"),
        ("to_timestamp(1000000000000)", "2001-09-09T01:46:40"),
        ("to_timestamp(-1)", "1969-12-31T23:59:59.999"),
        ("to_timestamp(9223372036854775807)", "!no time of the years"),
        ("CURRENT_TIMESTAMP = LOCALTIMESTAMP", "true"),
        ("aws_cast_date(CURRENT_TIMESTAMP) = CURRENT_DATE", "true"),
        ("aws_cast_time(LOCALTIMESTAMP) = LOCALTIME AND LOCALTIME = CURRENT_TIME", "true"),
        ("arrow_typeof(CURRENT_TIMESTAMP)", "Timestamp(ms)"),
        ("current_row_timestamp() >= TIMESTAMP '2020-01-01 00:00:00'", "true"),
    ]);
}

#[test]
fn patterns_read_as_in_java() {
    check_all(&[
        ("char_to_timestamp('yyyy-MM-dd hh:mm:ss', '2009-09-16 03:15:24')", "2009-09-16T03:15:24"),
        ("char_to_timestamp('yyyy-MM-dd hh:mm:ss', '2009-09-16 12:15:24')", "2009-09-16T00:15:24"),
        ("char_to_timestamp('yyyy-mm', '2012-02-08 07:23:19')", "2012-01-01T00:02:00"),
        ("char_to_timestamp('MMM dd, yyyy', 'March 7, 2010')", "2010-03-07T00:00:00"),
        ("char_to_timestamp('MMM dd,', 'March 7, 2010')", "1970-03-07T00:00:00"),
        ("char_to_timestamp('MMM dd,y', 'March 7, 2010')", "2010-03-07T00:00:00"),
        ("char_to_timestamp('M-d', '2-8-2012')", "1970-02-08T00:00:00"),
        ("char_to_timestamp('M-d', '2012-2-8')", "!2012 is no month"),
        ("char_to_timestamp('dd-MM-yy hh:mm', '23-06-11 10:11:12')", "2011-06-23T10:11:00"),
        ("char_to_timestamp('dd-MM-yy', '23-06-1')", "0001-06-23T00:00:00"),
        ("char_to_timestamp('MM/dd/yy HH:mm:ss', '12/19/11 21:08:07')", "2011-12-19T21:08:07"),
        ("char_to_timestamp('yyyy-hh-mm', '2009-09-16 03:15:24')", "2009-01-01T09:16:00"),
        ("char_to_timestamp('yyyy hh', '2009-09-16 03:15:24')", "!character 5 should be ' '"),
        ("char_to_timestamp('yyyy-MM hh', '2009-09-16 03:15:24')", "!character 8 should be ' '"),
        ("char_to_timestamp('yyyy', '16 03:15')", "0016-01-01T00:00:00"),
        ("char_to_timestamp('yyyy-MM-dd', '2010-02-30')", "!month 2 of the year 2010 has no day 30"),
        ("char_to_timestamp('yyyy-MM-dd', '2010-13-01')", "!13 is no month"),
        ("char_to_timestamp('HH', '24')", "!24 is no hour"),
        ("char_to_timestamp('kk', '24')", "1970-01-01T00:00:00"),
        ("char_to_timestamp('h a', '12 pm')", "1970-01-01T12:00:00"),
        ("char_to_timestamp('yyyyMMddHHmmssSSS', '20100203040506789')", "2010-02-03T04:05:06.789"),
        ("char_to_timestamp('ss.S', '07.5')", "1970-01-01T00:00:07.005"),
        ("char_to_timestamp('EEE, d MMM yyyy', 'tuesday, 2 Feb 2010')", "2010-02-02T00:00:00"),
        ("char_to_timestamp('EEE, d MMM yyyy', 'Mon, 2 Feb 2010')", "!is another day of the week"),
        ("char_to_timestamp('yyyy-MM-dd''T''HH:mm:ssXXX', '2010-02-03T04:05:06+02:00')", "2010-02-03T02:05:06"),
        ("char_to_timestamp('dd/MMM/yyyy:HH:mm:ss Z', '10/Oct/2000:13:55:36 -0700')", "2000-10-10T20:55:36"),
        ("char_to_timestamp('HH z', '10 GMT-08:00')", "1970-01-01T18:00:00"),
        ("char_to_timestamp('HH z', '10 PST')", "1970-01-01T18:00:00"),
        ("char_to_timestamp('yyyy D', '2012 60')", "2012-02-29T00:00:00"),
        ("char_to_timestamp('yyyy D', '2011 366')", "!2011 has no day 366"),
        ("char_to_timestamp('yyyy b', '2012 1')", "!the letter b has no meaning"),
        ("char_to_timestamp('yyyy ''o', '2012 o')", "!is not closed"),
        ("char_to_timestamp(NULL, '2012')", "NULL"),
        ("char_to_date('yyyy-MM-dd HH', '2010-02-03 04')", "2010-02-03"),
        ("char_to_time('HH:mm', '21:23')", "21:23:00"),
    ]);
}

#[test]
fn patterns_print_as_in_java() {
    let at = "TIMESTAMP '2009-09-06 15:05:24.078'";
    let print = |pattern: &str| format!("timestamp_to_char('{pattern}', {at})");
    let cases = [
        ("yyyy-MM-dd HH:mm:ss.SSS", "2009-09-06 15:05:24.078"),
        ("yy y M MMM MMMM d", "09 2009 9 Sep September 6"),
        ("EEE EEEE u", "Sun Sunday 7"),
        ("hh a K k D", "03 PM 3 15 249"),
        ("G w W F Y", "AD 37 2 1 2009"),
        ("z Z X S", "UTC +0000 Z 78"),
        ("hh ''o''''clock''", "03 o'clock"),
    ];
    let cases: Vec<(String, &str)> = cases.map(|(pattern, expected)| (print(pattern), expected)).to_vec();
    check_all(&cases.iter().map(|(call, expected)| (call.as_str(), *expected)).collect::<Vec<_>>());
    check_all(&[
        ("timestamp_to_char('yyyy', NULL)", "null"),
        ("timestamp_to_char(NULL, TIMESTAMP '2009-09-06 15:05:24')", "NULL"),
        ("date_to_char('dd.MM.yyyy', DATE '2009-09-06')", "06.09.2009"),
        ("date_to_char('dd', NULL)", "NULL"),
        ("time_to_char('HH-mm', TIME '15:05:24')", "15-05"),
        ("timestamp_to_char('YYYY w', TIMESTAMP '2019-12-29 00:00:00')", "2020 1"),
    ]);
}

#[test]
fn intervals() {
    check_all(&[
        ("aws_difference(TIME '12:03:34', TIME '11:57:23', 'MINUTE') = aws_interval('6', 'MINUTE')", "true"),
        (
            "aws_difference(TIME '12:03:34', TIME '11:57:23', 'MINUTE TO SECOND') = aws_interval('6:11', 'MINUTE TO SECOND')",
            "true",
        ),
        ("aws_cast_interval_bigint(aws_difference(DATE '2005-12-02', DATE '2004-11-30', 'DAY'), 'DAY')", "367"),
        ("aws_cast_interval_bigint(aws_difference(DATE '2005-01-31', DATE '2004-11-30', 'MONTH'), 'MONTH')", "2"),
        ("aws_cast_interval_bigint(aws_difference(DATE '2004-11-30', DATE '2005-12-02', 'YEAR'), 'YEAR')", "-1"),
        ("aws_difference(DATE '2005-01-31', TIMESTAMP '2004-11-30 00:00:00', 'DAY')", "!two times of one type"),
        ("aws_cast_interval_varchar(aws_interval('6:11', 'MINUTE TO SECOND'), 'MINUTE TO SECOND', 10)", "+6:11"),
        ("aws_cast_interval_varchar(aws_interval('2 00:06:11', 'DAY TO SECOND'), 'DAY TO SECOND', 20)", "+2 00:06:11"),
        ("aws_cast_interval_varchar(aws_interval('2 00:06:11', 'DAY TO SECOND'), 'DAY TO SECOND', 4)", "+2 0"),
        ("aws_cast_interval_decimal(aws_interval('-1.5', 'SECOND'), 'SECOND', 5, 2)", "-1.50"),
        ("aws_cast_interval_decimal(aws_interval('120', 'SECOND'), 'SECOND', 2, 0)", "!too long for DECIMAL(2, 0)"),
        ("aws_interval('120', 'SECOND') = aws_interval('2', 'MINUTE(3)')", "true"),
        ("aws_interval('25 3', 'DAY TO HOUR') = aws_interval('603', 'HOUR')", "true"),
        ("aws_interval('59:59.999', 'MINUTE TO SECOND(3)') < INTERVAL '1' HOUR", "true"),
        ("aws_interval('3:61', 'HOUR TO MINUTE')", "!does not fit INTERVAL .. HOUR TO MINUTE"),
        ("aws_interval('3', 'SECOND TO HOUR')", "!is no interval"),
        ("aws_plus(TIMESTAMP '2004-01-31 10:00:00', aws_interval('1', 'MONTH'))", "2004-02-29T10:00:00"),
        ("aws_minus(TIMESTAMP '2004-01-31 10:00:00', aws_interval('1 1', 'DAY TO HOUR'))", "2004-01-30T09:00:00"),
        ("aws_plus(TIME '23:30:00', aws_interval('1', 'HOUR'))", "00:30:00"),
        ("aws_minus(aws_interval('1', 'HOUR'), aws_interval('30', 'MINUTE')) = aws_interval('30', 'MINUTE')", "true"),
        ("aws_plus(1, aws_interval('1', 'HOUR'))", "!but not to BIGINT"),
        ("aws_interval_times(aws_interval('1', 'SECOND'), 90) = aws_interval('1:30', 'MINUTE TO SECOND')", "true"),
        ("aws_interval_times(aws_interval('1', 'SECOND'), 0.25) = aws_interval('0.25', 'SECOND')", "true"),
        ("aws_interval_divide(aws_interval('1', 'MINUTE'), 4) = aws_interval('15', 'SECOND')", "true"),
        ("aws_interval_divide(aws_interval('1', 'MINUTE'), 0)", "!cannot be divided by 0"),
        ("abs(aws_interval('-5', 'DAY')) = aws_interval('5', 'DAY')", "true"),
    ]);
}

#[test]
fn periods() {
    let call = |predicate: &str, periods: [u8; 4]| {
        let times = periods.map(|minute| format!("TIMESTAMP '2020-01-01 00:{minute:02}:00'")).join(", ");
        format!("aws_period('{predicate}', {times})")
    };
    let mut cases = Vec::new();
    for (predicate, periods, expected) in [
        ("CONTAINS", [0, 9, 0, 9], "true"),
        ("STRICTLY CONTAINS", [0, 9, 0, 8], "false"),
        ("STRICTLY CONTAINS", [0, 9, 1, 8], "true"),
        ("OVERLAPS", [0, 5, 5, 9], "false"),
        ("OVERLAPS", [0, 6, 5, 9], "true"),
        ("EQUALS", [1, 2, 1, 2], "true"),
        ("PRECEDES", [0, 5, 5, 9], "true"),
        ("STRICTLY PRECEDES", [0, 5, 5, 9], "false"),
        ("IMMEDIATELY PRECEDES", [0, 5, 5, 9], "true"),
        ("SUCCEEDS", [5, 9, 0, 5], "true"),
        ("IMMEDIATELY SUCCEEDS", [6, 9, 0, 5], "false"),
        ("LEADS", [0, 5, 1, 5], "true"),
        ("STRICTLY LEADS", [0, 5, 1, 5], "false"),
        ("LAGS", [0, 6, 1, 5], "true"),
        ("MEETS", [0, 5, 5, 9], "!MEETS is no predicate"),
        ("CONTAINS", [9, 0, 5, 9], "!before it starts"),
    ] {
        cases.push((call(predicate, periods), expected));
    }
    check_all(&cases.iter().map(|(call, expected)| (call.as_str(), *expected)).collect::<Vec<_>>());
    check_all(&[("aws_period('CONTAINS', TIME '01:00:00', TIME '02:00:00', TIME '02:00:00')", "false")]);
}

/// The letters of a date, of a time of day and of a zone, in any order, with signs between them.
fn pattern() -> impl Strategy<Value = String> {
    let date = prop_oneof![
        Just("yyyy M d"),
        Just("yyyy-MM-dd"),
        Just("d MMM yyyy G"),
        Just("EEEE, MMMM d yyyy"),
        Just("yyyy D"),
        Just("YYYY w u"),
        Just("yyyy MM W EEE"),
        Just("yyyy MM F E"),
        Just("yyyyMMdd"),
    ];
    let time = prop_oneof![
        Just("H:m:s.S"),
        Just("HH:mm:ss.SSS"),
        Just("h:mm:ss.SSS a"),
        Just("K-mm-ss-S a"),
        Just("k''m's's S"),
        Just("HHmmssSSS"),
    ];
    let zone = prop_oneof![Just(""), Just("z"), Just("zzzz"), Just("Z"), Just("X"), Just("XXX")];
    (date, time, zone, any::<bool>()).prop_map(|(date, time, zone, date_first)| {
        if date_first { format!("{date} 'T' {time} {zone}") } else { format!("{time} {zone} / {date}") }
    })
}

proptest! {
    /// From the year 1000 to 9999: the year has four digits.
    #[test]
    fn what_a_pattern_prints_it_reads(pattern in pattern(), at in -30_610_224_000_000..253_402_300_799_999_i64) {
        let pattern = Pattern::parse(&pattern).unwrap();
        let text = print(&pattern, at).unwrap();
        prop_assert_eq!(read(&pattern, &text, 2024).map_err(|error| error.to_string()), Ok(at), "{}", text);
    }

    #[test]
    fn what_an_interval_prints_it_reads(milliseconds in -1_000_000_000_000..1_000_000_000_000_i64, qualifier in 0..10_usize) {
        let fields = ["DAY", "DAY TO HOUR", "DAY TO MINUTE", "DAY TO SECOND", "HOUR", "HOUR TO MINUTE", "HOUR TO SECOND",
            "MINUTE", "MINUTE TO SECOND(3)", "SECOND(10, 3)"][qualifier];
        let qualifier = Qualifier::parse(fields).unwrap();
        let span = Span::milliseconds(qualifier.cut(milliseconds));
        prop_assert_eq!(qualifier.read(&qualifier.write(span)).unwrap(), span);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,30}", pattern in pattern()) {
        let _ = read(&Pattern::parse(&pattern).unwrap(), &text, 2024);
        for fields in ["DAY TO SECOND", "YEAR TO MONTH", "SECOND"] {
            let _ = Qualifier::parse(fields).unwrap().read(&text);
        }
    }
}
