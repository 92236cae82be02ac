//! The policy of a resource, as PutResourcePolicy takes it: JSON, with principals.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::auth::access::user_arn;
use crate::auth::policy::{ActionPattern, Effect, ResourcePattern, Statement, Verdict};

/// The most bytes of a policy, as in Kinesis.
pub(crate) const POLICY_BYTES_MAX: usize = 20 << 10;

/// Who may do what with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourcePolicy {
    statements: Vec<(Vec<String>, Statement)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "Version", default)]
    _version: Option<String>,
    #[serde(rename = "Id", default)]
    _id: Option<String>,
    statement: OneOrMany<Entry>,
}

/// What this server does not evaluate (`Condition`, `NotAction` and so on) is refused, not ignored.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    #[serde(rename = "Sid", default)]
    _sid: Option<String>,
    effect: Effect,
    principal: Principal,
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
enum Principal {
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
        let statements = document.statement.0.into_iter().map(Entry::into_statement);
        Ok(ResourcePolicy { statements: statements.collect::<Result<_, _>>()? })
    }

    /// What the policy says about a principal. As in AWS, naming the account permits nothing by itself within that
    /// account: it leaves it to the principal's own policy. A denial of the account is one of everybody in it.
    pub(crate) fn verdict(&self, account: &str, name: &str, action: &str, resource: &str) -> Verdict {
        let (user, root) = (user_arn(account, name), format!("arn:aws:iam::{account}:root"));
        let said = self.statements.iter().map(|(principals, statement)| {
            let by_name = principals.iter().any(|principal| principal == "*" || *principal == user);
            let by_account = principals.iter().any(|principal| *principal == root || principal == account);
            match statement.effect {
                _ if by_name => statement.verdict(action, resource),
                Effect::Deny if by_account => statement.verdict(action, resource),
                _ => Verdict::Silent,
            }
        });
        said.max().unwrap_or(Verdict::Silent)
    }
}

impl Entry {
    fn into_statement(self) -> Result<(Vec<String>, Statement), String> {
        let principals = match self.principal {
            Principal::Anyone(text) if text == "*" => vec![text],
            Principal::Anyone(text) => return Err(format!("Principal `{text}` is not `*` or {{\"AWS\": …}}")),
            Principal::Aws(principals) => principals.aws.0,
        };
        let actions = self.action.0.iter().map(|text| text.parse::<ActionPattern>()).collect::<Result<_, _>>();
        let resources = self.resource.0.iter().map(|text| text.parse::<ResourcePattern>()).collect::<Result<_, _>>();
        let statement = Statement {
            effect: self.effect,
            actions: actions.map_err(|wrong| wrong.to_string())?,
            resources: resources.map_err(|wrong| wrong.to_string())?,
        };
        Ok((principals, statement))
    }
}
