//! The page of the settings, `docs/reference/settings.md`, from the list of all of them.

use std::fmt::Write;

use crate::config::catalogue::{ABOVE, Setting, Usual, of_table, tables};
use crate::config::variables::VARIABLES;
use crate::reference::{cell, hold};

/// What the page begins with.
const HEAD: &str = "# Settings\n\nThis page is generated from the code. A settings file is TOML. `gallop config init` writes one with every key, `gallop config check` \
    checks one, and `gallop config show` prints the settings in effect. `NAME` is a name that you choose. An unknown key is an error.\n";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for table in tables() {
        let title = if table.is_empty() { "The file itself".to_owned() } else { format!("[{table}]") };
        write!(page, "\n## {title}\n\n| key | default | meaning |\n| --- | --- | --- |\n").expect("text takes text");
        for setting in of_table(table) {
            let (key, about) = (setting.key, cell(setting.about));
            writeln!(page, "| `{key}` | {} | {about}{} |", usual(setting), above(setting)).expect("text takes text");
        }
    }
    page.push_str(
        "\n## Variables\n\nAny other `GALLOP_*` variable is an error, so that a misspelt one is not ignored:\n\n",
    );
    for variable in VARIABLES {
        writeln!(page, "- `{variable}`").expect("text takes text");
    }
    page
}

/// What holds where a setting is not there.
fn usual(setting: &Setting) -> String {
    match setting.usual {
        Usual::Value(value) => format!("`{}`", cell(value)),
        Usual::Said(words) => cell(words),
        Usual::Required(example) => format!("required, as `{}`", cell(example)),
    }
}

/// What ranks above a setting of the file itself.
fn above(setting: &Setting) -> String {
    let found = ABOVE.iter().find(|(key, _, _)| setting.table.is_empty() && *key == setting.key);
    found.map(|(_, variable, flag)| format!("; `{flag}`, `{variable}`")).unwrap_or_default()
}

#[test]
fn the_page_of_the_settings_is_what_the_server_takes() {
    hold("reference/settings.md", &page());
}
