//! The policy of a resource, as PutResourcePolicy takes it: JSON, with principals.
//!
//! Principals are users and accounts, this server's own and others'. What this server does not evaluate is refused, not
//! ignored: conditions, `NotAction` and the like, variables in resources, roles, sessions and services.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::auth::access::user_arn;
use crate::auth::credential::Credential;
use crate::auth::policy::{ActionPattern, Effect, ResourcePattern, Statement, Verdict};

/// The most bytes of a policy, as in Kinesis.
pub(crate) const POLICY_BYTES_MAX: usize = 20 << 10;

/// The versions of the language; they differ in variables only.
const VERSIONS: [&str; 2] = ["2012-10-17", "2008-10-17"];

/// Who may do what with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourcePolicy {
    statements: Vec<(Vec<Principal>, Statement)>,
}

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Principal {
    /// Everybody in every account.
    Anyone,
    /// An account, by its number.
    Account(String),
    /// One user, by ARN.
    User(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(default)]
    version: Option<String>,
    #[serde(rename = "Id", default)]
    _id: Option<String>,
    statement: OneOrMany<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    #[serde(rename = "Sid", default)]
    _sid: Option<String>,
    effect: Effect,
    principal: Principals,
    action: OneOrMany<String>,
    resource: OneOrMany<String>,
}

/// One value, or a list of them.
struct OneOrMany<T>(Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // By hand, so that the error is that of the value and not that none of two forms fit.
        let values = match Value::deserialize(from)? {
            Value::Array(many) => many,
            one => vec![one],
        };
        let values = values.into_iter().map(|value| serde_json::from_value(value).map_err(D::Error::custom));
        values.collect::<Result<_, _>>().map(OneOrMany)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Principals {
    Anyone(String),
    Aws(AwsPrincipals),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AwsPrincipals {
    #[serde(rename = "AWS")]
    aws: OneOrMany<String>,
}

impl ResourcePolicy {
    /// Reads a policy. Error: what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(format!("the policy is over {POLICY_BYTES_MAX} bytes"));
        }
        let document: Document = serde_json::from_str(text).map_err(|wrong| wrong.to_string())?;
        if let Some(version) = document.version.filter(|version| !VERSIONS.contains(&version.as_str())) {
            return Err(format!("Version `{version}` is not one of {}", VERSIONS.join(", ")));
        }
        let statements = document.statement.0.into_iter().map(Entry::into_statement);
        Ok(ResourcePolicy { statements: statements.collect::<Result<_, _>>()? })
    }

    /// What the policy says about the user `name` of the account `theirs`, on a server of the account `own`. As in AWS,
    /// naming an account leaves it to that account: within the server's own that permits nothing by itself; for another,
    /// it is one of the two permissions that are needed. A denial of an account is one of everybody in it.
    pub(crate) fn verdict(&self, own: &str, theirs: &str, name: &str, action: &str, resource: &str) -> Verdict {
        let user = user_arn(theirs, name);
        let said = self.statements.iter().map(|(principals, statement)| {
            let by_name = principals.iter().any(|principal| match principal {
                Principal::Anyone => true,
                Principal::Account(_) => false,
                Principal::User(named) => *named == user,
            });
            let by_account = || principals.contains(&Principal::Account(theirs.to_owned()));
            match statement.effect {
                _ if by_name => statement.verdict(action, resource),
                Effect::Deny if by_account() => statement.verdict(action, resource),
                Effect::Allow if theirs != own && by_account() => statement.verdict(action, resource),
                _ => Verdict::Silent,
            }
        });
        said.max().unwrap_or(Verdict::Silent)
    }
}

/// What the policy of a resource, as it is kept, says about a caller.
pub(crate) fn own_verdict(policy: &str, account: &str, caller: &Credential, action: &str, arn: &str) -> Verdict {
    match ResourcePolicy::parse(policy) {
        Ok(policy) => policy.verdict(account, caller.account(account), &caller.name, action, arn),
        Err(wrong) => {
            // It was checked when it was put: only another version of this server can have kept it.
            tracing::error!(arn, wrong, "a resource's policy cannot be read; nobody may use the resource");
            Verdict::Denied
        }
    }
}

impl Principal {
    fn parse(text: &str) -> Result<Self, String> {
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        let of_arn = || text.strip_prefix("arn:aws:iam::")?.split_once(':').filter(|(account, _)| is_account(account));
        match of_arn() {
            _ if text == "*" => Ok(Principal::Anyone),
            _ if is_account(text) => Ok(Principal::Account(text.to_owned())),
            Some((account, "root")) => Ok(Principal::Account(account.to_owned())),
            Some((_, user)) if user.len() > "user/".len() && user.starts_with("user/") && !user.contains('*') => {
                Ok(Principal::User(text.to_owned()))
            }
            _ => Err(format!(
                "Principal `{text}` is not `*`, an account or a user such as arn:aws:iam::111122223333:user/NAME; \
                 this server has no roles, sessions or services"
            )),
        }
    }
}

impl Entry {
    fn into_statement(self) -> Result<(Vec<Principal>, Statement), String> {
        let principals = match &self.principal {
            Principals::Anyone(text) if text == "*" => vec![Principal::Anyone],
            Principals::Anyone(text) => return Err(format!("Principal `{text}` is not `*` or {{\"AWS\": …}}")),
            Principals::Aws(principals) => {
                principals.aws.0.iter().map(|text| Principal::parse(text)).collect::<Result<_, _>>()?
            }
        };
        let actions = self.action.0.iter().map(|text| text.parse::<ActionPattern>()).collect::<Result<_, _>>();
        let resources = self.resource.0.iter().map(|text| text.parse::<ResourcePattern>()).collect::<Result<_, _>>();
        let statement = Statement {
            effect: self.effect,
            actions: actions.map_err(|wrong| wrong.to_string())?,
            resources: resources.map_err(|wrong| wrong.to_string())?,
        };
        if principals.is_empty() || statement.actions.is_empty() || statement.resources.is_empty() {
            return Err("a statement needs at least one Principal, Action and Resource".to_owned());
        }
        Ok((principals, statement))
    }
}
