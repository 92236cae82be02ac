use super::*;

#[test]
fn to_numbers() {
    check_all(&[
        ("aws_cast_integer(-1.6)", "-2"),
        ("aws_cast_integer(2.5)", "3"),
        ("aws_cast_integer(-2.5)", "-3"),
        ("aws_cast_integer(aws_cast_double(2.5))", "3"),
        ("aws_cast_integer(aws_cast_real('-1.999'))", "-2"),
        ("aws_cast_smallint(32768)", "!32768 does not fit SMALLINT, which goes from -32768 to 32767"),
        ("aws_cast_smallint(32767.4)", "32767"),
        ("aws_cast_tinyint(127.5)", "!does not fit TINYINT"),
        ("aws_cast_bigint(1e19)", "!does not fit BIGINT"),
        ("aws_cast_bigint('9223372036854775807')", "9223372036854775807"),
        ("aws_cast_integer(' 12 ')", "12"),
        ("aws_cast_integer('-1.25e2')", "-125"),
        ("aws_cast_integer('12.6')", "13"),
        ("aws_cast_integer('twelve')", "!'twelve' is not a number"),
        ("aws_cast_integer('')", "!'' is not a number"),
        ("aws_cast_integer(true)", "!a BOOLEAN does not convert to INTEGER"),
        ("aws_cast_integer(TIMESTAMP '2020-01-01 00:00:00')", "!TIMESTAMP does not convert to INTEGER"),
        ("aws_cast_integer(NULL)", "NULL"),
        ("aws_cast_decimal(12.345, 4, 2)", "12.35"),
        ("aws_cast_decimal(-12.345, 4, 2)", "-12.35"),
        ("aws_cast_decimal(100, 4, 2)", "!100 does not fit DECIMAL(4, 2), which has 2 digits before the point"),
        ("aws_cast_decimal('12.6', 3, 1)", "12.6"),
        ("aws_cast_decimal('1e3', 4, 0)", "1000"),
        ("aws_cast_decimal(aws_cast_double('1.005'), 3, 2)", "1.01"),
        ("aws_cast_decimal(9007199254740993, 18, 2)", "9007199254740993.00"),
        ("aws_cast_decimal(1, 50, 2)", "!DECIMAL(50, 2) is no type"),
        ("aws_cast_double('1e2')", "100.0"),
        ("aws_cast_double('1e400')", "!does not fit DOUBLE"),
        ("aws_cast_double('nan')", "!is not a number"),
        ("aws_cast_double(0.1)", "0.1"),
        ("aws_cast_real(0.1)", "0.1"),
        ("aws_cast_real('1e39')", "!does not fit REAL"),
        ("aws_cast_boolean('TRUE')", "true"),
        ("aws_cast_boolean('false')", "false"),
        ("aws_cast_boolean('yes')", "!'yes' is not a BOOLEAN"),
        ("aws_cast_boolean(1)", "!BIGINT does not convert to BOOLEAN"),
    ]);
}

#[test]
fn to_text() {
    check_all(&[
        ("aws_cast_varchar(12, 5)", "12"),
        ("aws_cast_varchar(12345, 3)", "!12345 does not fit VARCHAR(3)"),
        ("aws_cast_varchar(1.50, 9)", "1.50"),
        ("aws_cast_varchar(1e2, 9)", "100"),
        ("aws_cast_varchar(1E20, 30)", "100000000000000000000"),
        ("aws_cast_varchar(aws_cast_double(100), 9)", "100"),
        ("aws_cast_varchar(aws_cast_double('1e20'), 9)", "1E20"),
        ("aws_cast_varchar(aws_cast_real('0.1'), 9)", "0.1"),
        ("aws_cast_varchar('frederic', 4)", "fred"),
        ("aws_cast_varchar('Ünïcode', 3)", "Ünï"),
        ("aws_cast_varchar('as long as it is')", "as long as it is"),
        ("aws_cast_varchar('x', 0)", "!a text of 0 characters is no type"),
        ("char_length(aws_cast_char('fred', 16))", "16"),
        ("aws_cast_char('frederic', 4)", "fred"),
        ("aws_cast_char(true, 6) || '.'", "true  ."),
        ("aws_cast_varchar(DATE '2008-08-23', 10)", "2008-08-23"),
        ("aws_cast_varchar(TIME '21:23:45.678', 8)", "21:23:45"),
        ("aws_cast_varchar(TIMESTAMP '2007-02-19 21:25:35.999', 19)", "2007-02-19 21:25:35"),
        ("aws_cast_varchar(TIMESTAMP '2007-02-19 21:25:35', 10)", "!does not fit VARCHAR(10)"),
        ("aws_cast_varchar(aws_interval('6', 'MINUTE'), 10)", "!an interval needs its fields"),
    ]);
}

#[test]
fn to_times() {
    check_all(&[
        ("aws_cast_timestamp('2007-02-19 21:25:35')", "2007-02-19T21:25:35"),
        ("aws_cast_timestamp('2007-02-19 21:23:45.0')", "2007-02-19T21:23:45"),
        ("aws_cast_timestamp('2007-02-19 21:23:45.67')", "2007-02-19T21:23:45.670"),
        ("aws_cast_timestamp('2007-02-19 21:25:35 ')", "!is not a TIMESTAMP"),
        ("aws_cast_timestamp('2007-02-19T21:25:35')", "!is not a TIMESTAMP"),
        ("aws_cast_timestamp('2007-02-19')", "!is not a TIMESTAMP"),
        ("aws_cast_timestamp('2007-02-30 00:00:00')", "!is not a TIMESTAMP"),
        ("aws_cast_timestamp('2007-2-19 21:25:35')", "!is not a TIMESTAMP"),
        ("aws_cast_timestamp(12)", "!BIGINT does not convert to TIMESTAMP"),
        ("aws_cast_timestamp(DATE '2008-08-23')", "2008-08-23T00:00:00"),
        ("aws_cast_timestamp(TIME '21:23:45')", "1970-01-01T21:23:45"),
        ("aws_cast_date('2008-08-23')", "2008-08-23"),
        ("aws_cast_date('2008-08-23 10:00:00')", "!is not a DATE"),
        ("aws_cast_date(TIMESTAMP '1969-12-31 23:00:00')", "1969-12-31"),
        ("aws_cast_date(TIME '10:00:00')", "!TIME does not convert to DATE"),
        ("aws_cast_time('21:23:45.0')", "21:23:45"),
        ("aws_cast_time('  21:23:45')", "21:23:45"),
        ("aws_cast_time('21:23')", "!is not a TIME"),
        ("aws_cast_time('2008-08-23 21:23:45')", "!is not a TIME"),
        ("aws_cast_time('24:00:00')", "!is not a TIME"),
        ("aws_cast_time(TIMESTAMP '2007-02-19 21:25:35')", "21:25:35"),
    ]);
}
