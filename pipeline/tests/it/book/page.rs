//! A page of documentation: its blocks of code, headings and links.
//!
//! A block's info string is a language and marks, separated by spaces:
//!
//! | mark | the block is |
//! | --- | --- |
//! | none, `sh` or `python` | run, to success |
//! | `server` | a command that is started, and serves from then on; one that served before gets Ctrl-C first |
//! | `background` | a command that goes on in a terminal of its own |
//! | `eventually` | run again until it prints what the block after it shows |
//! | `waits` | run; it waits for something by itself |
//! | `stopped` | run once the server has stopped |
//! | `fails` | run, and must fail |
//! | `output` | what the block before prints; `…` stands for any text, and alone in a line for any lines |
//! | `file=NAME` | a file to write; it is not run |
//! | `append=NAME` | the end of a file |
//! | `not-run=REASON` | shown only; the reason goes to the end of the line |

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// What happens to a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    Run,
    Server,
    Background,
    Eventually,
    Waits,
    Stopped,
    Fails,
    Output,
    File(String),
    Append(String),
    NotRun(String),
}

/// A fenced block.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Page and line, for messages.
    pub(crate) place: String,
    pub(crate) language: String,
    pub(crate) mark: Mark,
    pub(crate) text: String,
}

/// A link to somewhere in the clone.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) place: String,
    /// Relative to the page; empty where it is the page itself.
    pub(crate) file: String,
    pub(crate) anchor: Option<String>,
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) file: PathBuf,
    pub(crate) blocks: Vec<Block>,
    pub(crate) anchors: BTreeSet<String>,
    pub(crate) links: Vec<Link>,
}

/// Pages that need servers of others, which `tests/servers` starts.
pub(crate) const ELSEWHERE: [&str; 3] = ["docs/how-to/dynamodb.md", "docs/how-to/kafka.md", "docs/how-to/s3.md"];

/// The root of the clone.
pub(crate) fn clone_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace holds this crate")
}

impl Page {
    /// Reads a page by its name in the clone.
    pub(crate) fn read(name: &str) -> Page {
        let file = clone_root().join(name);
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let place = |offset: usize| format!("{name}:{}", text[..offset].matches('\n').count() + 1);
        let (mut blocks, mut links, mut headings) = (Vec::new(), Vec::new(), Vec::new());
        let (mut block, mut heading): (Option<Block>, Option<String>) = (None, None);
        for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let CodeBlockKind::Fenced(info) = kind else { panic!("{}: indented code", place(range.start)) };
                    let (language, mark) =
                        read_info(&info).unwrap_or_else(|why| panic!("{}: {why}", place(range.start)));
                    block = Some(Block { place: place(range.start), language, mark, text: String::new() });
                }
                Event::End(TagEnd::CodeBlock) => blocks.extend(block.take()),
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => headings.extend(heading.take()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(block) = &mut block {
                        block.text.push_str(&text);
                    } else if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) if !dest_url.contains("://") => {
                    let (file, anchor) = match dest_url.split_once('#') {
                        Some((file, anchor)) => (file, Some(anchor.to_owned())),
                        None => (&*dest_url, None),
                    };
                    links.push(Link { place: place(range.start), file: file.to_owned(), anchor });
                }
                _ => {}
            }
        }
        Page { file, blocks, anchors: anchors(&headings), links }
    }
}

/// Language and mark of an info string.
fn read_info(info: &str) -> Result<(String, Mark), String> {
    let (language, mark) = info.split_once(' ').unwrap_or((info, ""));
    let mark = match mark.split_once('=').unwrap_or((mark, "")) {
        ("", "") => Mark::Run,
        ("server", "") => Mark::Server,
        ("background", "") => Mark::Background,
        ("eventually", "") => Mark::Eventually,
        ("waits", "") => Mark::Waits,
        ("stopped", "") => Mark::Stopped,
        ("fails", "") => Mark::Fails,
        ("output", "") => Mark::Output,
        ("file", name) if !name.is_empty() => Mark::File(name.to_owned()),
        ("append", name) if !name.is_empty() => Mark::Append(name.to_owned()),
        ("not-run", reason) if reason.split(' ').count() > 1 => Mark::NotRun(reason.to_owned()),
        _ => return Err(format!("the mark `{mark}` is not known, or lacks its value")),
    };
    Ok((language.to_owned(), mark))
}

/// The anchors that headings have, in mdBook as on code forges: the second of a name ends in `-1`.
fn anchors(headings: &[String]) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in headings {
        let kept = heading.trim().chars().filter_map(|char| match char {
            ' ' => Some('-'),
            char if char.is_alphanumeric() || matches!(char, '-' | '_') => Some(char),
            _ => None,
        });
        let name: String = kept.flat_map(char::to_lowercase).collect();
        let free = (0..).map(|n| if n == 0 { name.clone() } else { format!("{name}-{n}") });
        let free = free.into_iter().find(|name| !anchors.contains(name)).expect("numbers do not end");
        anchors.insert(free);
    }
    anchors
}

impl Block {
    /// The commands of a shell block: lines, but for comments and what goes on from the line before.
    pub(crate) fn commands(&self) -> usize {
        let (mut commands, mut goes_on, mut quote, mut heredoc) = (0, false, None, None::<String>);
        for line in self.text.lines() {
            if let Some(end) = &heredoc {
                if line == end {
                    heredoc = None;
                }
                continue;
            }
            let code = line.trim();
            if !goes_on && quote.is_none() && !code.is_empty() && !code.starts_with('#') {
                commands += 1;
            }
            let mut before = ' ';
            for char in code.chars() {
                match quote {
                    None if char == '#' && before == ' ' => break,
                    None if matches!(char, '\'' | '"') => quote = Some(char),
                    Some(open) if char == open && before != '\\' => quote = None,
                    _ => {}
                }
                before = char;
            }
            if let (None, Some((_, end))) = (quote, code.split_once("<<")) {
                heredoc = Some(end.trim_matches(|char| matches!(char, '-' | '\'' | '"' | ' ')).to_owned());
            }
            goes_on = code.ends_with('\\');
        }
        commands
    }
}

#[test]
fn marks_are_read_or_refused() {
    let mark = |info: &str| read_info(info).map(|(_, mark)| mark);
    assert_eq!(read_info("sh"), Ok(("sh".to_owned(), Mark::Run)));
    assert_eq!(mark("toml file=a/b.toml"), Ok(Mark::File("a/b.toml".to_owned())));
    assert_eq!(mark("sh not-run=it needs a card"), Ok(Mark::NotRun("it needs a card".to_owned())));
    for wrong in ["sh servers", "sh file=", "sh not-run", "sh not-run=because", "sh server=1"] {
        assert!(mark(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn commands_are_counted_as_a_reader_types_them() {
    let commands = |text: &str| {
        let (place, language) = (String::new(), "sh".to_owned());
        Block { place, language, mark: Mark::Run, text: text.to_owned() }.commands()
    };
    assert_eq!(commands("a\nb # 'c\n\n# d\n"), 2);
    assert_eq!(commands("a \\\n  --b\nc 'd\ne\nf' g\nh \"i\nj\"\n"), 3);
    assert_eq!(commands("cat > f <<'END'\na\nb\nEND\nc\n"), 2);
}

#[test]
fn anchors_are_those_of_readers() {
    let headings = ["How `x` works: part 1", "Same", "Same", "A / b"].map(str::to_owned);
    let expected = ["a--b", "how-x-works-part-1", "same", "same-1"].map(str::to_owned);
    assert_eq!(anchors(&headings), BTreeSet::from(expected));
}
