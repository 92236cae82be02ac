//! Every line of the table of conversions, and numbers against exact arithmetic.

use proptest::prelude::*;

use super::*;

/// What a value becomes in a column; why not where it does not fit.
fn check(sql_type: SqlType, raw: &str, expected: &str) {
    let shown = match convert(&Field::of(raw), sql_type) {
        Ok(Cell::Null) => "null".to_owned(),
        Ok(Cell::Boolean(value)) => value.to_string(),
        Ok(Cell::Integer(value)) => value.to_string(),
        Ok(Cell::Unsigned(value)) => value.to_string(),
        Ok(Cell::Double(value)) => format!("{value:?}"),
        Ok(Cell::Decimal(value)) => value.to_string(),
        Ok(Cell::Text(value)) => format!("'{value}'"),
        Err(Misfit(why)) => why.to_owned(),
    };
    assert_eq!(shown, expected, "{raw} as {}", name_of(sql_type));
}

#[test]
fn integers_take_whole_numbers_in_range_and_nothing_is_rounded() {
    for (raw, expected) in [
        ("123", "123"),
        ("123.0", "123"),
        ("1e2", "100"),
        ("1200e-2", "12"),
        ("-0", "0"),
        ("123.4", FRACTION.0),
        ("99.5", FRACTION.0),
        ("1e-400", FRACTION.0),
        ("2147483647", "2147483647"),
        ("2147483648", TOO_LARGE.0),
        ("1e400", TOO_LARGE.0),
        ("true", "1"),
        ("false", "0"),
        (r#"" 42 ""#, "42"),
        (r#""+4.20e1""#, "42"),
        (r#""0.1f""#, NO_NUMBER.0),
        (r#""""#, NO_NUMBER.0),
        ("[1]", NO_SCALAR.0),
        ("null", "null"),
    ] {
        check(SqlType::Integer, raw, expected);
    }
    check(SqlType::BigInt, "9223372036854775807", "9223372036854775807");
    check(SqlType::BigInt, "-9223372036854775808", "-9223372036854775808");
    check(SqlType::BigInt, "9223372036854775808", TOO_LARGE.0);
    check(SqlType::BigInt, "9007199254740993.0", "9007199254740993");
    check(SqlType::TinyInt, "128", TOO_LARGE.0);
    check(SqlType::SmallInt, "-32768", "-32768");
}

#[test]
fn decimals_are_exact_and_rounded_half_away_from_zero() {
    for (raw, expected) in [
        ("1234567890123456.78", "123456789012345678"),
        ("0.125", "13"),
        ("-0.125", "-13"),
        ("0.1249999999999999999999999", "12"),
        ("9999999999999999.99", "999999999999999999"),
        ("9999999999999999.995", TOO_LARGE.0),
        ("1e400", TOO_LARGE.0),
        (r#""12.5""#, "1250"),
        ("true", "100"),
        ("{}", NO_SCALAR.0),
    ] {
        check(SqlType::Decimal(18, 2), raw, expected);
    }
    check(SqlType::Decimal(2, 2), "true", TOO_LARGE.0);
}

#[test]
fn doubles_are_the_nearest_or_refused() {
    for (raw, expected) in [
        ("9007199254740993", "9007199254740992.0"),
        ("-0", "-0.0"),
        ("1e-400", "0.0"),
        ("1e400", TOO_LARGE.0),
        (r#""1e3""#, "1000.0"),
        (r#""inf""#, NO_NUMBER.0),
        (r#""NaN""#, NO_NUMBER.0),
        ("true", "1.0"),
        ("[]", NO_SCALAR.0),
    ] {
        check(SqlType::Double, raw, expected);
    }
}

#[test]
fn truth_values_come_of_numbers_and_of_text() {
    for (raw, expected) in [
        ("0", "false"),
        ("-0.0e7", "false"),
        ("7", "true"),
        ("1e-400", "true"),
        (r#""TRUE""#, "true"),
        (r#""yes""#, "false"),
        (r#""1""#, "false"),
        ("true", "true"),
        ("{}", NO_SCALAR.0),
    ] {
        check(SqlType::Boolean, raw, expected);
    }
}

#[test]
fn text_is_what_was_written_cut_to_its_length() {
    for (raw, expected) in [
        ("123456789012345678901234567890.10", "'123456789012345678901234567890.10'"),
        ("1e400", "'1e400'"),
        ("-0", "'-0'"),
        ("true", "'true'"),
        (r#"{"b": [1, 2.50]}"#, r#"'{"b": [1, 2.50]}'"#),
        (r#""a\nb""#, "'a\nb'"),
    ] {
        check(SqlType::Varchar(None), raw, expected);
    }
    check(SqlType::Varchar(Some(3)), "true", "'tru'");
    check(SqlType::Varchar(Some(3)), "123456", "'123'");
    check(SqlType::Varchar(Some(2)), r#""éöü""#, "'éö'");
}

#[test]
fn times_come_of_text_only() {
    for (raw, expected) in [
        (r#""1970-01-02""#, "86400000"),
        (r#""1970-01-01 00:00:01""#, "1000"),
        (r#""1970-01-01 00:00:01.5""#, "1500"),
        (r#""1970-01-01T01:00:01+01:00""#, "1000"),
        (r#""soon""#, NO_TIME.0),
        ("1000", NO_TIME.0),
        ("true", NO_TIME.0),
        ("[]", NO_SCALAR.0),
    ] {
        check(SqlType::Timestamp, raw, expected);
    }
    assert_eq!(time_of(&Field::of("1521343200123")), Some(1_521_343_200_123));
    assert_eq!(time_of(&Field::of("1e999")), None);
}

proptest! {
    /// A number in units of 10^-20 is the model: any digits, the point and the exponent anywhere.
    #[test]
    fn numbers_are_converted_as_exact_arithmetic_says(digits in -(10_i128.pow(19))..10_i128.pow(19), places in 0_u32..20, scale in 0_u8..8) {
        let raw = format!("{digits}e-{places}");
        let exact = digits * 10_i128.pow(20 - 1 - places.min(19)); // in units of 10^-19
        let one = 10_i128.pow(19);
        prop_assume!(exact.checked_mul(2).is_some());
        let integer = (exact % one == 0).then(|| i64::try_from(exact / one).ok()).flatten();
        let converted = match convert(&Field::of(&raw), SqlType::BigInt) { Ok(Cell::Integer(value)) => Some(value), _ => None };
        prop_assert_eq!(converted, integer, "{}", raw);

        let unit = 10_i128.pow(19 - u32::from(scale));
        let rounded = (exact.abs() + unit / 2) / unit * exact.signum();
        let fitting = (rounded.abs() < 10_i128.pow(18)).then_some(rounded);
        let converted = match convert(&Field::of(&raw), SqlType::Decimal(18, scale as i8)) { Ok(Cell::Decimal(value)) => Some(value), _ => None };
        prop_assert_eq!(converted, fitting, "{}", raw);

        let is_true = matches!(convert(&Field::of(&raw), SqlType::Boolean), Ok(Cell::Boolean(true)));
        prop_assert_eq!(is_true, exact != 0, "{}", raw);
        let as_text = matches!(convert(&Field::of(&raw), SqlType::Varchar(None)), Ok(Cell::Text(text)) if text == raw);
        prop_assert!(as_text, "{}", raw);
    }

    #[test]
    fn doubles_come_back_as_they_went(value in any::<f64>().prop_filter("JSON has no others", |value| value.is_finite())) {
        let raw = format!("{value:?}");
        let back = match convert(&Field::of(&raw), SqlType::Double) { Ok(Cell::Double(back)) => back.to_bits(), _ => 0 };
        prop_assert_eq!(back, value.to_bits());
    }
}
