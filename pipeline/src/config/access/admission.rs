//! Who may come in: what settings, variables and the data folder say together.
//!
//! | credentials are | unless told otherwise |
//! | --- | --- |
//! | in the settings, or in `GALLOP_ACCESS_KEY_ID` and `GALLOP_SECRET_ACCESS_KEY` | signatures are verified |
//! | only in the data folder, made at an earlier start | signatures are verified |
//! | nowhere | any signature is accepted where only this machine can reach the server, or `--insecure` is given; else they are verified |
//!
//! Where signatures are to be verified and there are no credentials, some are made, and shown once.

use std::collections::BTreeMap;
use std::path::Path;

use clap::ValueEnum;
use gateway::auth::access::Access;
use gateway::auth::credential::Credential;
use serde::Deserialize;

use crate::config::access::credential::{self, CredentialConfig};
use crate::config::access::first_credential::FirstCredential;

/// What people are told where nobody is asked.
const ANYONE: &str = "any signature is accepted: anyone who reaches this address may do everything";

/// Whether signatures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signatures {
    /// Only those of a known credential pass, for what its policy allows.
    Verify,
    /// Any signature or none passes, for everything: where only this machine can reach the server.
    Any,
}

/// The credentials that there are before the first start is over.
#[derive(Debug, Default)]
pub(crate) struct Known {
    names: Vec<String>,
    /// None where there are no credentials.
    access: Option<Access>,
}

/// Who may come in, and how people are told.
#[derive(Debug)]
pub(crate) struct Admission {
    pub(crate) access: Access,
    /// Lines for whoever started the server.
    pub(crate) notice: String,
}

impl Known {
    /// Collects the credentials. Those of the data folder count only where nobody named others.
    pub(crate) fn collect(
        credentials: &BTreeMap<String, CredentialConfig>,
        folder: &Path,
        data: &Path,
    ) -> anyhow::Result<Vec<Credential>> {
        let mut known = credential::read_all(credentials, folder)?;
        known.extend(credential::of_environment(|name| std::env::var(name).ok())?);
        if known.is_empty() {
            known = FirstCredential::read(data)?;
        }
        Ok(known)
    }

    /// Error: the name of one that cannot be used, and why.
    pub(crate) fn new(credentials: Vec<Credential>) -> Result<Known, (String, String)> {
        let names: Vec<String> = credentials.iter().map(|credential| credential.name.clone()).collect();
        let access = if names.is_empty() { None } else { Some(Access::only(credentials)) };
        let access = access.transpose().map_err(|(name, why)| (name, why.to_string()))?;
        Ok(Known { names, access })
    }

    /// What holds where nothing else is said. `closed` is whether only this machine reaches the
    /// server, or somebody said that whoever does may.
    pub(crate) fn usual(&self, closed: bool) -> Signatures {
        if closed && self.access.is_none() { Signatures::Any } else { Signatures::Verify }
    }

    /// The decision. Makes and keeps credentials below `data` where there must be some.
    pub(crate) fn admit(self, signatures: Signatures, data: &Path) -> anyhow::Result<Admission> {
        let Known { names, access } = self;
        match (signatures, access) {
            (Signatures::Any, None) => Ok(Admission::anyone()),
            (Signatures::Any, Some(_)) => {
                let notice = format!("{}; the credentials ({}) are not asked for", ANYONE, names.join(", "));
                Ok(Admission { notice, ..Admission::anyone() })
            }
            (Signatures::Verify, Some(access)) => {
                let notice = format!("requests must be signed by one of these credentials: {}", names.join(", "));
                Ok(Admission { access, notice })
            }
            (Signatures::Verify, None) => {
                let first = FirstCredential::create(data)?;
                let access = Access::only(vec![first.credential()]);
                let access = access.map_err(|(name, why)| anyhow::anyhow!("credential `{name}`: {why}"))?;
                Ok(Admission { access, notice: first.notice(data) })
            }
        }
    }
}

impl Admission {
    /// Anyone, for everything.
    pub(crate) fn anyone() -> Self {
        Admission { access: Access::anyone(), notice: ANYONE.to_owned() }
    }
}
