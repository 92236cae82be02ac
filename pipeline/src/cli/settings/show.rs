//! `gallop config show`: every setting that holds, and where it comes from. Secrets are masked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value as Json, json};
use toml::Value;

use crate::config::access::admission::Signatures;
use crate::config::catalogue::{self, ABOVE, ALWAYS, Setting, Usual};
use crate::config::effective::{Effective, SettingsArgs};
use crate::config::file::read_text;
use crate::config::text::document::Document;

/// What is shown of a secret.
const MASK: &str = "…";
/// The last keys of what is not shown.
const SECRETS: [&str; 3] = ["secret", "session_token", "token"];

/// Arguments of `gallop config show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The settings file [default: as `gallop serve` finds it].
    #[arg(value_name = "FILE", conflicts_with = "config")]
    path: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Show where each value comes from.
    #[arg(long)]
    sources: bool,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Form::Toml)]
    output: Form,
}

/// How settings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// As a settings file.
    Toml,
    /// As an array of objects, one a setting.
    Json,
}

/// A setting that holds.
#[derive(Debug)]
struct Shown {
    /// None where no value but words say what holds.
    value: Option<Value>,
    words: Option<&'static str>,
    source: String,
}

/// Keys, and numbers of array entries, that lead to a setting.
type Settings = BTreeMap<Vec<String>, Shown>;

/// Prints them.
pub(crate) fn run(args: ShowArgs) -> anyhow::Result<()> {
    let settings = args.settings.of_file(args.path);
    let effective = settings.read()?;
    let mut shown = match &effective.file {
        Some(file) => of_file(file)?,
        None => Settings::new(),
    };
    for name in tables_of(&shown, effective.file.as_deref())? {
        fill(&mut shown, &name);
    }
    above(&mut shown, &settings, &effective);
    let text = match args.output {
        Form::Toml => as_toml(&shown, args.sources),
        Form::Json => as_json(&shown, args.sources),
    };
    println!("{}", text.trim_end());
    Ok(())
}

/// What the file says.
fn of_file(file: &Path) -> anyhow::Result<Settings> {
    let text = read_text(file)?;
    let table: toml::Table = toml::from_str(&text)?;
    // It was read before: what has come to it since is another matter.
    let document = Document::parse(file, &text).map_err(|faults| crate::config::text::error::ConfigError { faults })?;
    let mut shown = Settings::new();
    for (path, line) in document.leaves() {
        let Some(value) = find(&table, &path) else { continue };
        let value = if is_secret(&path) { Value::String(MASK.to_owned()) } else { value.clone() };
        let source = format!("{}:{line}", file.display());
        shown.insert(path, Shown { value: Some(value), words: None, source });
    }
    Ok(shown)
}

fn find<'t>(table: &'t toml::Table, path: &[String]) -> Option<&'t Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(first)?, |value, step| match value {
        Value::Table(table) => table.get(step),
        Value::Array(array) => array.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

fn is_secret(path: &[String]) -> bool {
    let last = path.last().map(String::as_str).unwrap_or_default();
    SECRETS.contains(&last) || (path.len() > 2 && path[0] == "kafka" && path[1] == "client")
}

/// Every table that is there: those of the file, also without a key, and those that always are.
fn tables_of(shown: &Settings, file: Option<&Path>) -> anyhow::Result<BTreeSet<Vec<String>>> {
    let always = ALWAYS.iter().map(|name| if name.is_empty() { Vec::new() } else { vec![(*name).to_owned()] });
    let mut tables: BTreeSet<Vec<String>> = always.collect();
    tables.extend(shown.keys().map(|path| path[..path.len() - 1].to_vec()));
    if let Some(file) = file {
        let root: toml::Table = toml::from_str(&read_text(file)?)?;
        for (key, value) in &root {
            let Value::Table(inside) = value else { continue };
            tables.insert(vec![key.clone()]);
            for (name, _) in inside.iter().filter(|(_, value)| value.is_table()) {
                tables.insert(vec![key.clone(), name.clone()]);
                let inner = inside[name].as_table().into_iter().flatten().filter(|(_, value)| value.is_table());
                tables.extend(inner.map(|(last, _)| vec![key.clone(), name.clone(), last.clone()]));
            }
        }
    }
    Ok(tables)
}

/// The name of a table in the catalogue.
fn in_catalogue(path: &[String]) -> String {
    let plain: Vec<&str> = path.iter().filter(|step| step.parse::<usize>().is_err()).map(String::as_str).collect();
    let has_names = plain.first().is_some_and(|first| {
        catalogue::SETTINGS.iter().any(|setting| setting.table.starts_with(&format!("{first}.NAME")))
    });
    match plain.as_slice() {
        [first, _, rest @ ..] if has_names => [[*first, "NAME"].as_slice(), rest].concat().join("."),
        all => all.join("."),
    }
}

/// Adds what holds where a table says nothing.
fn fill(shown: &mut Settings, table: &[String]) {
    for Setting { key, usual, .. } in catalogue::of_table(&in_catalogue(table)) {
        let path: Vec<String> = table.iter().cloned().chain([(*key).to_owned()]).collect();
        if shown.keys().any(|known| known.starts_with(&path)) {
            continue;
        }
        let (value, words) = match usual {
            Usual::Value(text) => (Some(literal(text)), None),
            Usual::Said(words) => (None, Some(*words)),
            Usual::Required(_) => continue,
        };
        shown.insert(path, Shown { value, words, source: "default".to_owned() });
    }
}

/// A value of the catalogue.
fn literal(text: &str) -> Value {
    let table: toml::Table = toml::from_str(&format!("v = {text}")).expect("the catalogue holds TOML");
    table["v"].clone()
}

/// What flags and variables say, which rank above the file.
fn above(shown: &mut Settings, settings: &SettingsArgs, effective: &Effective) {
    let text = |text: String| Value::String(text);
    let signatures = match effective.signatures {
        Signatures::Verify => "verify",
        Signatures::Any => "any",
    };
    for (key, variable, flag) in ABOVE {
        let given = match key {
            "data" => settings.data.as_ref().map(|data| text(data.display().to_string())),
            "host" => settings.host.map(|host| text(host.to_string())),
            "port" => settings.port.map(|port| Value::Integer(port.into())),
            "region" => settings.region.clone().map(text),
            "account_id" => settings.account_id.clone().map(text),
            _ => settings.signatures.map(|_| text(signatures.to_owned())),
        };
        if let Some(value) = given {
            let named = |arg: String| arg == flag || arg.starts_with(&format!("{flag}="));
            let source = if std::env::args().any(named) { flag } else { variable };
            shown.insert(vec![key.to_owned()], Shown { value: Some(value), words: None, source: source.to_owned() });
        }
    }
    if let Some(usual) = shown.get_mut(&vec!["signatures".to_owned()]).filter(|shown| shown.value.is_none()) {
        usual.value = Some(text(signatures.to_owned()));
        usual.source = "default, because credentials are configured or not".to_owned();
    }
}

fn as_json(shown: &Settings, sources: bool) -> String {
    let one = |(path, shown): (&Vec<String>, &Shown)| {
        let value = shown.value.as_ref().map(|value| serde_json::to_value(value).unwrap_or(Json::Null));
        let mut object = json!({"key": path.join("."), "value": value});
        if let Some(words) = shown.words {
            object["default"] = words.into();
        }
        if sources {
            object["source"] = shown.source.as_str().into();
        }
        object
    };
    let all: Vec<Json> = shown.iter().map(one).collect();
    serde_json::to_string_pretty(&all).expect("plain data")
}

fn as_toml(shown: &Settings, sources: bool) -> String {
    let mut by_table: BTreeMap<&[String], Vec<(&str, &Shown)>> = BTreeMap::new();
    for (path, shown) in shown {
        let (key, table) = path.split_last().expect("a setting has a key");
        by_table.entry(table).or_default().push((key, shown));
    }
    let mut text = String::new();
    for (table, settings) in by_table {
        header(&mut text, table);
        for (key, Shown { value, words, source }) in settings {
            let line = match (value, words) {
                (Some(value), _) => format!("{} = {value}", bare(key)),
                (None, words) => format!("# {}: {}", bare(key), words.unwrap_or_default()),
            };
            let comment = if sources { format!("  # {source}") } else { String::new() };
            let _ = writeln!(text, "{line}{comment}");
        }
    }
    text
}

fn header(text: &mut String, table: &[String]) {
    if table.is_empty() {
        return;
    }
    let name: Vec<String> = table.iter().filter(|step| step.parse::<usize>().is_err()).map(|step| bare(step)).collect();
    let is_entry = table.last().is_some_and(|last| last.parse::<usize>().is_ok());
    let (open, close) = if is_entry { ("[[", "]]") } else { ("[", "]") };
    let _ = writeln!(text, "\n{open}{}{close}", name.join("."));
}

/// A key as TOML writes it.
fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}
