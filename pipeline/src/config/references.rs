//! What settings refer to: files of queries, secrets, keys and certificates, and variables. Checked
//! before a start, so that what is wrong with them is reported with what is wrong in the settings.

use std::net::IpAddr;
use std::path::Path;

use analytics::continuous::query::{ContinuousQuery, QueryOptions};
use gateway::accept::tls::{Tls, TlsError};
use model::name::ConsumerName;
use model::query::engine::SqlError;

use crate::config::access::admission::Known;
use crate::config::access::credential;
use crate::config::access::first_credential::FirstCredential;
use crate::config::data::query::QueryConfig;
use crate::config::file::Config;
use crate::config::text::error::{Faults, Located};
use crate::config::text::lasting::is_lasting;
use crate::sensors::kept;
use crate::sensors::keys::KEYS_FOLDER;

/// What to do about a path that leads nowhere.
const RELATIVE: &str = "correct the path; it is relative to the settings file's folder";

/// What was found.
#[derive(Default)]
pub(crate) struct References {
    /// Faults of what the settings say.
    pub(crate) faults: Faults,
    /// Faults elsewhere.
    pub(crate) located: Vec<Located>,
    /// The credentials there are.
    pub(crate) known: Known,
    /// The certificate.
    pub(crate) tls: Option<Tls>,
}

impl References {
    /// Checks everything. `folder` is where paths begin; secrets of variables are taken over into
    /// `config`.
    pub(crate) fn check(&mut self, config: &mut Config, folder: &Path, data: &Path, host: IpAddr) {
        let variable = |name: &str| std::env::var(name).ok();
        for (name, query) in &config.queries {
            self.query(name, query, folder);
        }
        self.tls(config, folder);
        let lasting = config.encryption.key_file.as_ref().is_none_or(|file| is_lasting(&folder.join(file)));
        if lasting && let Err(error) = config.encryption.keys(folder) {
            self.faults.add(&["encryption", "key_file"], format!("encryption: {error:#}"), RELATIVE);
        }
        let mut own = Faults::default();
        config.telemetry.check(&mut own);
        if own.found.is_empty()
            && let Err(message) = config.telemetry.traces(variable)
        {
            self.located.push(Located::of_source("OTEL_*", message, "correct or unset the variable"));
        }
        #[cfg(feature = "kafka")]
        if let Some(kafka) = config.kafka.take() {
            match kafka.clone().with_credentials(variable) {
                Ok(kafka) => config.kafka = Some(kafka),
                Err(error) => {
                    config.kafka = Some(kafka);
                    self.located.push(Located::of_source(
                        "GALLOP_KAFKA_*",
                        error.to_string(),
                        "set both, or unset both",
                    ));
                }
            }
        }
        self.sensors(config, folder, data, host);
        self.credentials(config, folder, data);
    }

    fn sensors(&mut self, config: &Config, folder: &Path, data: &Path, host: IpAddr) {
        match kept::schema_ids(data) {
            Ok(kept) => {
                let keys = config.sensor.keys_folder.as_ref();
                let keys = keys.map_or_else(|| data.join(KEYS_FOLDER), |keys| folder.join(keys));
                config.sensor.check_references(&keys, &kept, host, &mut self.faults);
            }
            Err(error) => {
                let advice = "move the file away, and add ports that were added at run time again";
                self.located.push(Located::of_source(data.display().to_string(), format!("{error:#}"), advice));
            }
        }
    }

    fn query(&mut self, name: &ConsumerName, query: &QueryConfig, folder: &Path) {
        let file = folder.join(&query.sql);
        if !is_lasting(&file) {
            return;
        }
        let sql = match std::fs::read_to_string(&file) {
            Ok(sql) => sql,
            Err(error) => {
                let message = format!("query `{name}`: {} cannot be read: {error}", file.display());
                return self.faults.add(&["queries", name.as_str(), "sql"], message, RELATIVE);
            }
        };
        let options = QueryOptions { streams: query.streams.clone(), ..QueryOptions::default() };
        if let Err(error) = ContinuousQuery::prepare(name, &sql, options) {
            self.located.push(in_sql(name, &file, &sql, error));
        }
    }

    fn tls(&mut self, config: &Config, folder: &Path) {
        match config.tls.as_ref().map(|tls| tls.open(folder)) {
            None => {}
            Some(Ok(tls)) => self.tls = Some(tls),
            Some(Err(error)) => {
                let key = config
                    .tls
                    .as_ref()
                    .is_some_and(|tls| matches!(&error, TlsError::File { file, .. } if *file == tls.files(folder).key));
                let advice = match &error {
                    TlsError::File { .. } => "name files of PEM; their paths begin in the settings file's folder",
                    TlsError::Pair { .. } => "name a certificate and the private key that belongs to it",
                };
                let why = std::error::Error::source(&error).map(|why| format!(": {why}")).unwrap_or_default();
                let why = if error.to_string().ends_with(&why) { String::new() } else { why };
                let path = ["tls", if key { "key" } else { "certificate" }];
                self.faults.add(&path, format!("tls: {error}{why}"), advice);
            }
        }
    }

    fn credentials(&mut self, config: &Config, folder: &Path, data: &Path) {
        let mut own = Faults::default();
        credential::check(&config.credentials, &mut own);
        // Those are told already; what comes of them is not.
        let told = !own.found.is_empty();
        let before = self.faults.found.len() + self.located.len();
        for (name, credential) in &config.credentials {
            credential.check_files(name, folder, &mut self.faults);
        }
        let (id, secret) = ("GALLOP_ACCESS_KEY_ID", "GALLOP_SECRET_ACCESS_KEY");
        if let Err(error) = credential::of_environment(|name| std::env::var(name).ok()) {
            let source = if std::env::var_os(id).is_some() { id } else { secret };
            self.located.push(Located::of_source(source, error.to_string(), "set both, or unset both"));
        }
        if told || self.faults.found.len() + self.located.len() > before {
            return;
        }
        let collected = match Known::collect(&config.credentials, folder, data) {
            Ok(collected) => collected,
            Err(error) => {
                let file = FirstCredential::file(data).display().to_string();
                let advice = "restore the file, or remove it: the next start that verifies signatures makes new keys";
                return self.located.push(Located::of_source(file, format!("{error:#}"), advice));
            }
        };
        match Known::new(collected) {
            Ok(known) => self.known = known,
            Err((name, why)) => {
                let message = format!("credential `{name}`: {why}");
                let advice = "give it keys of its own, long enough not to be guessed: `openssl rand -hex 20`";
                if config.credentials.contains_key(&name) {
                    self.faults.add(&["credentials", &name], message, advice);
                } else {
                    self.located.push(Located::of_source("credentials", message, advice));
                }
            }
        }
    }
}

/// A fault of a query, where it stands.
fn in_sql(name: &ConsumerName, file: &Path, sql: &str, error: SqlError) -> Located {
    let advice =
        error.suggestion.unwrap_or_else(|| format!("correct the query; try it with `gallop run {}`", file.display()));
    let message = format!("query `{name}`: {}", error.message);
    let span = error.location.map_or(0..0, |at| {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let lines = sql.split_inclusive('\n');
        let before: usize = lines.clone().take(number(at.line).saturating_sub(1)).map(str::len).sum();
        let line = lines.clone().nth(number(at.line).saturating_sub(1)).unwrap_or_default();
        let column = number(at.column).saturating_sub(1);
        let from = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
        let word =
            line[from..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>();
        before + from..before + from + word.max(1)
    });
    Located::in_text(file, sql, span, message, advice)
}
