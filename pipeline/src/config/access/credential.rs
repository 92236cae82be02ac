//! `[credentials.NAME]`: the keys of a principal, and what it may do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gateway::auth::credential::Credential;
use gateway::auth::policy::{ActionPattern, Effect, Policy, ResourcePattern, Statement};
use gateway::auth::secret::Secret;
use serde::Deserialize;

use crate::config::access::account;
use crate::config::text::error::Faults;
use crate::config::text::lasting::is_lasting;

/// The longest file that holds a secret.
const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// The keys of a principal: its secret, and its tokens if it has any, here or each in a file of its
/// own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialConfig {
    access_key_id: String,
    /// The principal's account, where it is not the server's own: it then needs a policy of the
    /// stream, too.
    account_id: Option<String>,
    secret: Option<SecretText>,
    secret_file: Option<PathBuf>,
    session_token: Option<SecretText>,
    session_token_file: Option<PathBuf>,
    /// What REST clients send as `Authorization: Bearer …`.
    token: Option<SecretText>,
    token_file: Option<PathBuf>,
    /// Without a statement, it may do nothing.
    #[serde(default)]
    policy: Vec<StatementConfig>,
}

/// A permission or a denial.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementConfig {
    effect: Effect,
    actions: Vec<String>,
    resources: Vec<String>,
}

/// Text that is not shown with the rest of the settings.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
struct SecretText(String);

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// The variables that hold the keys of a principal who may do everything.
const VARIABLES: [&str; 2] = ["GALLOP_ACCESS_KEY_ID", "GALLOP_SECRET_ACCESS_KEY"];

/// The credentials of the settings. `folder` is where files of secrets are looked for.
pub(crate) fn read_all(
    credentials: &BTreeMap<String, CredentialConfig>,
    folder: &Path,
) -> anyhow::Result<Vec<Credential>> {
    let read = credentials.iter().map(|(name, config)| {
        let read = config.read(name, folder);
        read.map_err(|why| anyhow::anyhow!("credential `{name}`: {why}"))
    });
    read.collect()
}

/// The credential of the variables, if they hold one.
pub(crate) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Credential>> {
    match VARIABLES.map(|name| variable(name).filter(|value| !value.is_empty())) {
        [None, None] => Ok(None),
        [Some(id), Some(secret)] => Ok(Some(unlimited("environment", &id, &secret, None))),
        _ => anyhow::bail!("{} and {} must be given together", VARIABLES[0], VARIABLES[1]),
    }
}

/// A credential that may do everything.
pub(crate) fn unlimited(name: &str, access_key_id: &str, secret: &str, token: Option<&str>) -> Credential {
    let everything = Statement {
        effect: Effect::Allow,
        actions: vec!["*".parse().expect("a pattern")],
        resources: vec!["*".parse().expect("a pattern")],
    };
    let credential = Credential::new(name, access_key_id, Secret::new(secret), Policy::new(vec![everything]));
    Credential { bearer_token: token.map(Secret::new), ..credential }
}

/// What the shape alone does not say.
pub(crate) fn check(credentials: &BTreeMap<String, CredentialConfig>, faults: &mut Faults) {
    for (name, config) in credentials {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte));
        if !plain || !(1..=64).contains(&name.len()) {
            let message = format!("credential `{name}`: names are 1 to 64 letters, digits and +=,.@_-");
            faults.add(&["credentials", name], message, "write a name like `alice`");
        }
        config.check(name, faults);
    }
}

impl CredentialConfig {
    fn check(&self, name: &str, faults: &mut Faults) {
        let mut at = |path: &[&str], message: &str, advice: &str| {
            let path: Vec<&str> = ["credentials", name].iter().chain(path).copied().collect();
            faults.add(&path, format!("credential `{name}`: {message}"), advice);
        };
        for (member, text, file) in self.secrets() {
            if text.is_some() && file.is_some() {
                at(&[member], &format!("give one of `{member}` and `{member}_file`"), "remove one of the two");
            }
        }
        if let Some(Err(message)) = self.account_id.as_deref().map(account::account_id) {
            at(&["account_id"], &message, "write twelve digits, as in \"123456789012\"");
        }
        if self.secret.is_none() && self.secret_file.is_none() {
            let advice = "add `secret_file = ..`, a file that only its owner can read";
            at(&[], "give one of `secret` and `secret_file`", advice);
        }
        for (index, statement) in self.policy.iter().enumerate() {
            if let Err((key, message, advice)) = statement.check() {
                at(&["policy", &index.to_string(), key], &message, advice);
            }
        }
    }

    fn secrets(&self) -> [(&'static str, &Option<SecretText>, &Option<PathBuf>); 3] {
        [
            ("secret", &self.secret, &self.secret_file),
            ("session_token", &self.session_token, &self.session_token_file),
            ("token", &self.token, &self.token_file),
        ]
    }

    /// Its files of secrets.
    pub(crate) fn secret_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.secrets().into_iter().filter_map(|(_, _, file)| file.as_ref())
    }

    /// What the files of secrets say against it.
    pub(crate) fn check_files(&self, name: &str, folder: &Path, faults: &mut Faults) {
        for (member, _, file) in self.secrets() {
            let lasting = file.as_ref().is_none_or(|file| is_lasting(&folder.join(file)));
            if lasting && let Err(why) = secret(None, file.as_deref(), folder) {
                let advice = "write the secret into that file, or correct the path; it is relative to the settings file's folder";
                let path = ["credentials", name, &format!("{member}_file")];
                faults.add(&path, format!("credential `{name}`: {why}"), advice);
            }
        }
    }

    fn statements(&self) -> Result<Vec<Statement>, String> {
        self.policy.iter().map(StatementConfig::statement).collect()
    }

    fn read(&self, name: &str, folder: &Path) -> Result<Credential, String> {
        let [secret, session_token, bearer_token] =
            self.secrets().map(|(_, text, file)| secret(text.as_ref(), file.as_deref(), folder));
        let secret = secret?.expect("the settings were checked: there is a secret");
        let credential = Credential::new(name, &*self.access_key_id, secret, Policy::new(self.statements()?));
        let account_id = self.account_id.clone();
        Ok(Credential { account_id, session_token: session_token?, bearer_token: bearer_token?, ..credential })
    }
}

/// The key of a statement that is wrong, how, and what to write.
type StatementFault = (&'static str, String, &'static str);

impl StatementConfig {
    fn check(&self) -> Result<(), StatementFault> {
        for (key, patterns) in [("actions", &self.actions), ("resources", &self.resources)] {
            if patterns.is_empty() {
                let message = "a policy statement needs at least one of `actions` and one of `resources`".to_owned();
                return Err((key, message, "write [\"*\"] for all"));
            }
        }
        if let Some(wrong) = self.actions.iter().find_map(|text| text.parse::<ActionPattern>().err()) {
            return Err(("actions", wrong.to_string(), "write `kinesis:PutRecord`, `kinesis:Get*` or `*`"));
        }
        if let Some(wrong) = self.resources.iter().find_map(|text| text.parse::<ResourcePattern>().err()) {
            return Err(("resources", wrong.to_string(), "write `arn:aws:kinesis:*:*:stream/NAME`, or `*`"));
        }
        Ok(())
    }

    fn statement(&self) -> Result<Statement, String> {
        if self.actions.is_empty() || self.resources.is_empty() {
            return Err("a policy statement needs at least one of `actions` and one of `resources`".to_owned());
        }
        let actions = self.actions.iter().map(|text| text.parse::<ActionPattern>());
        let resources = self.resources.iter().map(|text| text.parse::<ResourcePattern>());
        Ok(Statement {
            effect: self.effect,
            actions: actions.collect::<Result<_, _>>().map_err(|wrong| wrong.to_string())?,
            resources: resources.collect::<Result<_, _>>().map_err(|wrong| wrong.to_string())?,
        })
    }
}

/// A secret, from the settings or from its file; the line break at the end of a file is no part of
/// it.
fn secret(text: Option<&SecretText>, file: Option<&Path>, folder: &Path) -> Result<Option<Secret>, String> {
    let Some(file) = file else { return Ok(text.map(|text| Secret::new(text.0.as_str()))) };
    let file = folder.join(file);
    let failed = |why: std::io::Error| format!("{} cannot be read: {why}", file.display());
    let bytes = std::fs::metadata(&file).map_err(failed)?.len();
    if bytes > SECRET_FILE_BYTES_MAX {
        return Err(format!("{} is over {SECRET_FILE_BYTES_MAX} bytes: that is no secret", file.display()));
    }
    let text = std::fs::read_to_string(&file).map_err(failed)?;
    Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n']))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_hold_a_whole_credential_or_none() {
        let found = |id: &str, secret: &str| {
            let variable = |name: &str| Some(if name == "GALLOP_ACCESS_KEY_ID" { id } else { secret }.to_owned());
            of_environment(variable).map(|found| found.map(|credential| credential.access_key_id))
        };
        assert_eq!(found("AKID", "a secret of some length").expect("both"), Some("AKID".to_owned()));
        assert_eq!(found("", "").expect("neither"), None);
        let half = found("AKID", "").expect_err("half of it").to_string();
        assert!(half.contains("GALLOP_SECRET_ACCESS_KEY must be given together"), "{half}");
    }
}
