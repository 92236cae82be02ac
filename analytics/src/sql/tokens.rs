//! Tokens with their places, and a cursor over them. Comments are `--`, `//` and `/* */`.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token as Lexeme, Tokenizer};
use model::query::engine::{Location, SqlError, SqlErrorKind};

use crate::sql::dialect::Dialect;

/// A token and where it began.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) lexeme: Lexeme,
    pub(crate) at: Location,
    /// How its text is written.
    pub(crate) dialect: Dialect,
}

impl Token {
    /// The name this token stands for: quoted as written, unquoted as the dialect folds it.
    pub(crate) fn name(&self) -> Option<String> {
        match &self.lexeme {
            Lexeme::Word(word) if word.quote_style.is_some() => Some(word.value.clone()),
            Lexeme::Word(word) => Some(self.dialect.fold(&word.value)),
            _ => None,
        }
    }

    /// The text of an unquoted word.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.lexeme {
            Lexeme::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    /// Whether this is the unquoted word, in any case.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        matches!(&self.lexeme, Lexeme::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
    }

    /// An error at this token.
    pub(crate) fn refuse(&self, message: impl Into<String>, suggestion: impl Into<String>) -> SqlError {
        SqlError {
            kind: SqlErrorKind::Invalid,
            message: message.into(),
            location: Some(self.at),
            suggestion: Some(suggestion.into()).filter(|text| !text.is_empty()),
        }
    }
}

/// A name in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Cuts text into tokens, without blanks and comments. Without a dialect, it is that of the first statement.
pub(crate) fn tokenize(sql: &str, dialect: Option<Dialect>) -> Result<Vec<Token>, SqlError> {
    let sql = without_notes(&with_dashes(sql));
    let lexemes = Tokenizer::new(&GenericDialect {}, &sql).tokenize_with_location().map_err(|error| SqlError {
        location: Some(Location { line: error.location.line, column: error.location.column }),
        ..SqlError::new(SqlErrorKind::Invalid, error.message)
    })?;
    let mut tokens: Vec<Token> = lexemes
        .into_iter()
        .filter(|lexeme| !matches!(lexeme.token, Lexeme::Whitespace(_) | Lexeme::EOF))
        .map(|lexeme| {
            let start = lexeme.span.start;
            let at = Location { line: start.line, column: start.column };
            Token { lexeme: lexeme.token, at, dialect: Dialect::Aws }
        })
        .collect();
    let dialect = dialect.unwrap_or_else(|| dialect_of(&tokens));
    tokens.iter_mut().for_each(|token| token.dialect = dialect);
    Ok(tokens)
}

/// The dialect that a text is written in, told by its first statement.
fn dialect_of(tokens: &[Token]) -> Dialect {
    let second = tokens.get(1);
    let first_is = |word| tokens.first().is_some_and(|token| token.is(word));
    let third_is_if = tokens.get(2).is_some_and(|token| token.is("IF"));
    let is_flink = first_is("INSERT")
        || first_is("EXECUTE")
        || (first_is("DROP") && third_is_if)
        || (first_is("CREATE")
            && second.is_some_and(|token| ["TABLE", "TEMPORARY", "VIEW"].iter().any(|word| token.is(word))));
    if is_flink { Dialect::Flink } else { Dialect::Aws }
}

/// Without lines that say how a notebook runs a paragraph: `%flink.ssql(type=update)`. Nothing changes its place.
fn without_notes(sql: &str) -> String {
    let lines = sql.split_inclusive('\n');
    lines.map(|line| if line.starts_with('%') { "\n" } else { line }).collect()
}

/// Turns `//` comments into `--` comments, which every tokenizer knows; nothing changes its place.
fn with_dashes(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut characters = sql.chars().peekable();
    let mut inside: Option<char> = None;
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        let pair = match (inside, character, next) {
            (None, '/', Some('/')) => Some(("--", Some('\n'))),
            (None, '-', Some('-')) => Some(("--", Some('\n'))),
            (None, '/', Some('*')) => Some(("/*", Some('*'))),
            (Some('*'), '*', Some('/')) => Some(("*/", None)),
            _ => None,
        };
        if let Some((written, now_inside)) = pair {
            text.push_str(written);
            characters.next();
            inside = now_inside;
            continue;
        }
        match (inside, character) {
            (None, '\'' | '"') => inside = Some(character),
            (Some(end), character) if end == character && end != '*' => inside = None,
            _ => {}
        }
        text.push(character);
    }
    text
}

/// Where the parenthesis at `open` closes.
pub(crate) fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(open) {
        match token.lexeme {
            Lexeme::LParen => depth += 1,
            Lexeme::RParen => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(place);
        }
    }
    None
}

/// Whether a parenthesis opens there.
pub(crate) fn is_open(tokens: &[Token], place: usize) -> bool {
    tokens.get(place).is_some_and(|token| token.lexeme == Lexeme::LParen)
}

/// A place in a statement's tokens.
pub(crate) struct Cursor<'a> {
    tokens: &'a [Token],
    next: usize,
    end: Location,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(tokens: &'a [Token]) -> Self {
        let end = tokens.last().map_or(Location { line: 1, column: 1 }, |token| token.at);
        Cursor { tokens, next: 0, end }
    }

    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next)
    }

    pub(crate) fn rest(&self) -> &'a [Token] {
        &self.tokens[self.next..]
    }

    pub(crate) fn advance(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.next += usize::from(token.is_some());
        token
    }

    /// Takes the word if it is next.
    pub(crate) fn accept(&mut self, keyword: &str) -> bool {
        let is_next = self.peek().is_some_and(|token| token.is(keyword));
        self.next += usize::from(is_next);
        is_next
    }

    /// Takes the lexeme if it is next.
    pub(crate) fn accept_lexeme(&mut self, lexeme: &Lexeme) -> bool {
        let is_next = self.peek().is_some_and(|token| token.lexeme == *lexeme);
        self.next += usize::from(is_next);
        is_next
    }

    pub(crate) fn expect(&mut self, keyword: &str) -> Result<(), SqlError> {
        if self.accept(keyword) { Ok(()) } else { Err(self.expected(keyword)) }
    }

    pub(crate) fn expect_lexeme(&mut self, lexeme: &Lexeme) -> Result<(), SqlError> {
        if self.accept_lexeme(lexeme) { Ok(()) } else { Err(self.expected(&format!("`{lexeme}`"))) }
    }

    pub(crate) fn expect_name(&mut self, what: &str) -> Result<String, SqlError> {
        let name = self.peek().and_then(Token::name).ok_or_else(|| self.expected(what))?;
        self.next += 1;
        Ok(name)
    }

    pub(crate) fn expect_number(&mut self) -> Result<u32, SqlError> {
        let number = match self.peek().map(|token| &token.lexeme) {
            Some(Lexeme::Number(digits, _)) => digits.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.expected("a number"))?;
        self.next += 1;
        Ok(number)
    }

    /// An error that says what should stand here.
    pub(crate) fn expected(&self, what: &str) -> SqlError {
        let (at, found) = match self.peek() {
            Some(token) => (token.at, format!("`{}`", token.lexeme)),
            None => (self.end, "the end of the statement".to_owned()),
        };
        SqlError {
            location: Some(at),
            ..SqlError::new(SqlErrorKind::Invalid, format!("expected {what}, found {found}"))
        }
    }
}
