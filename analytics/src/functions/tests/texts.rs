use super::*;

#[test]
fn texts() {
    check_all(&[
        ("initcap('eACH fIRST-letter o''clock')", "Each First-letter O'clock"),
        ("aws_overlay('12345', 'foo', 1)", "foo45"),
        ("aws_overlay('12345', 'foo', 0)", "foo345"),
        ("aws_overlay('12345', 'foo', -2)", "foo12345"),
        ("aws_overlay('12345', 'foo', 4)", "123foo"),
        ("aws_overlay('12345', 'foo', 17)", "12345foo"),
        ("aws_overlay('12345', 'foo', 2, 0)", "1foo2345"),
        ("aws_overlay('12345', 'foo', 2, 2)", "1foo45"),
        ("aws_overlay('12345', 'foo', 2, 9)", "1foo"),
        ("aws_overlay('12345', 'foo', 2, -1)", "!OVERLAY .. FOR -1"),
        ("aws_overlay('12345', NULL, 2)", "NULL"),
        ("aws_position('findme', '1234findmeXXX')", "5"),
        ("aws_position('findme', '1234not-hereXXX')", "0"),
        ("aws_position('', 'abc')", "1"),
        ("aws_position('ö', 'äö')", "2"),
        ("aws_position('1', '')", "0"),
        ("aws_substring_from('123456789', 3, 4)", "3456"),
        ("aws_substring_from('123456789', 17, 4)", ""),
        ("aws_substring_from('123456789', -1, 4)", "12"),
        ("aws_substring_from('123456789', 6, 0)", ""),
        ("aws_substring_from('123456789', 8, 4)", "89"),
        ("aws_substring_from('123456789', 2, -1)", "!SUBSTRING .. FOR -1"),
        ("aws_substring('123456789', 17, 4)", "NULL"),
        ("aws_substring('123456789', 3)", "3456789"),
        ("aws_trim('BOTH', 'x', 'xx a xx')", " a "),
        ("aws_trim('LEADING', ' ', '  a ')", "a "),
        ("aws_trim('TRAILING', ' ', '  a ')", "  a"),
        ("aws_trim('BOTH', 'ab', 'abc')", "!TRIM removes one character"),
        ("aws_trim('BOTH', '', 'abc')", "!TRIM removes one character"),
    ]);
}

#[test]
fn regular_expressions() {
    check_all(&[
        ("regex_replace('TECHNOLOGY', 'E', 'e', 1, 0)", "TeCHNOLOGY"),
        ("regex_replace('aXbXc', 'X', '-', 1, 0)", "a-b-c"),
        ("regex_replace('aXbXc', 'X', '-', 1, 2)", "aXb-c"),
        ("regex_replace('aXbXc', 'X', '-', 3, 1)", "aXb-c"),
        ("regex_replace('aXbXc', 'X', '-', 9, 0)", "aXbXc"),
        ("regex_replace('ab12', '([a-z])([0-9])', '$2$1', 1, 0)", "a1b2"),
        ("regex_replace('ab', '(a)', '\\$1', 1, 0)", "$1b"),
        ("regex_replace('ab', '(a)', '$3', 1, 0)", "!names a group that there is not"),
        ("regex_replace('ab', 'a', 'x', 0, 0)", "!starts at character 0"),
        ("regex_replace('ab', 'a', 'x', 1, -1)", "!cannot replace match -1"),
        ("regex_replace('ab', 'a', NULL, 1, 0)", "NULL"),
        ("regex_replace('a1ä', '\\w\\d', '', 1, 0)", "ä"),
        ("regex_replace('ab', '(?=b)', '', 1, 0)", "!look-ahead, which is not supported"),
        ("regex_replace('ab', '(a)\\1', '', 1, 0)", "!a back reference, which is not supported"),
        ("regex_replace('ab', 'a*+', '', 1, 0)", "!a possessive quantifier, which is not supported"),
        ("regex_replace('ab', '(a', '', 1, 0)", "!cannot be used: unclosed group"),
        ("regex_replace('a.b', '\\Q.\\E', '-', 1, 0)", "a-b"),
        ("regex_replace('Ab1', '[\\p{Upper}\\d]', '', 1, 0)", "b"),
        ("aws_substring_regex('TECHNOLOGY', 'L[A-Z]*')", "LOGY"),
        ("aws_substring_regex('TECHNOLOGY', '[0-9]')", "NULL"),
        ("aws_substring_similar('123456789', '23#\"456#\"78', '#')", "456"),
        ("aws_substring_similar('123456789', '23456', '#')", "!needs three parts"),
    ]);
}

#[test]
fn similar_to() {
    check_all(&[
        ("aws_similar_to('abc', 'abc')", "true"),
        ("aws_similar_to('abc', 'ab')", "false"),
        ("aws_similar_to('abc', '_b_')", "true"),
        ("aws_similar_to('abc', 'a%')", "true"),
        ("aws_similar_to('abc', '%(b|d)%')", "true"),
        ("aws_similar_to('abc', '(b|c)%')", "false"),
        ("aws_similar_to('a.c', 'a.c')", "true"),
        ("aws_similar_to('abc', 'a.c')", "false"),
        ("aws_similar_to('aaa', 'a{2}')", "false"),
        ("aws_similar_to('aaa', 'a{2,3}')", "true"),
        ("aws_similar_to('b', '[a-e^c]')", "true"),
        ("aws_similar_to('c', '[a-e^c]')", "false"),
        ("aws_similar_to('f', '[^a-e]')", "true"),
        ("aws_similar_to('f', '[^(a-e)]')", "!is not possible"),
        ("aws_similar_to('10%', '10!%', '!')", "true"),
        ("aws_similar_to('10x', '10!%', '!')", "false"),
        ("aws_similar_to('10x', '10!', '!')", "!ends with its escape character"),
        ("aws_similar_to('x', 'x', 'ab')", "!is not one character"),
        ("aws_similar_to('a\nb', 'a_b')", "true"),
    ]);
}
