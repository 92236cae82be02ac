//! The credential that is made at the first start: kept in `credentials.toml` of the data folder,
//! for the owner's eyes only.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use gateway::auth::credential::Credential;
use rand::Rng;
use rand::distr::{Alphanumeric, SampleString};
use serde::Deserialize;

use crate::config::access::credential::{self, CredentialConfig};
use crate::config::text::error::Faults;
use crate::data_folder;

/// The file in the data folder.
const FILE: &str = "credentials.toml";
/// The principal.
const NAME: &str = "admin";
/// How access keys begin, so that one that leaked is recognized.
const KEY_PREFIX: &str = "GALLOP";
/// Random characters after it; 32 different ones, as AWS uses.
const KEY_CHARACTERS: usize = 14;
/// Characters of the secret and of the token: 62 different ones, 238 bits.
const SECRET_CHARACTERS: usize = 40;

/// New keys that may do everything.
pub(crate) struct FirstCredential {
    access_key_id: String,
    secret: String,
    token: String,
}

/// What the file holds: the same as settings do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    credentials: BTreeMap<String, CredentialConfig>,
}

impl FirstCredential {
    /// Where they are kept.
    pub(crate) fn file(data: &Path) -> PathBuf {
        data.join(FILE)
    }

    /// The id and the secret that an earlier start made, where this user may read them.
    pub(crate) fn keys(data: &Path) -> Option<(String, String)> {
        let kept: toml::Table = toml::from_str(&fs::read_to_string(FirstCredential::file(data)).ok()?).ok()?;
        let own = kept.get("credentials")?.get(NAME)?;
        let text = |key: &str| Some(own.get(key)?.as_str()?.to_owned());
        Some((text("access_key_id")?, text("secret")?))
    }

    /// The credentials that an earlier start made, if any.
    pub(crate) fn read(data: &Path) -> anyhow::Result<Vec<Credential>> {
        let file = data.join(FILE);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.with_context(|| format!("{} cannot be read", file.display()))?,
        };
        let kept: Kept = toml::from_str(&text)
            .map_err(|error| anyhow::anyhow!("{} does not read: {}", file.display(), error.message()))?;
        let mut faults = Faults::default();
        credential::check(&kept.credentials, &mut faults);
        if let Some(fault) = faults.found.first() {
            anyhow::bail!("{}: {}", file.display(), fault.message);
        }
        credential::read_all(&kept.credentials, data)
    }

    /// Makes keys and keeps them, unless another start did so just now.
    pub(crate) fn create(data: &Path) -> anyhow::Result<Self> {
        let mut random = rand::rng();
        let character = |_| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[random.random_range(0..32)]);
        let key: String = (0..KEY_CHARACTERS).map(character).collect();
        let first = FirstCredential {
            access_key_id: format!("{KEY_PREFIX}{key}"),
            secret: Alphanumeric.sample_string(&mut rand::rng(), SECRET_CHARACTERS),
            token: Alphanumeric.sample_string(&mut rand::rng(), SECRET_CHARACTERS),
        };
        first.keep(data).with_context(|| format!("{} cannot be written", data.join(FILE).display()))?;
        Ok(first)
    }

    /// Whole or not at all, and never over another.
    fn keep(&self, data: &Path) -> io::Result<()> {
        data_folder::make(data)?;
        let new: PathBuf = data.join(format!("{FILE}.{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        let linked = fs::hard_link(&new, data.join(FILE));
        fs::remove_file(&new)?;
        linked?;
        File::open(data)?.sync_all()
    }

    fn text(&self) -> String {
        let FirstCredential { access_key_id, secret, token } = self;
        format!(
            "# Made at the first start. Whoever has these keys may do everything.\n\n[credentials.{NAME}]\n\
             access_key_id = \"{access_key_id}\"\nsecret = \"{secret}\"\ntoken = \"{token}\"\n\n\
             [[credentials.{NAME}.policy]]\neffect = \"allow\"\nactions = [\"*\"]\nresources = [\"*\"]\n"
        )
    }

    /// The same, in use.
    pub(crate) fn credential(&self) -> Credential {
        credential::unlimited(NAME, &self.access_key_id, &self.secret, Some(&self.token))
    }

    /// What the owner must know, once.
    pub(crate) fn notice(&self, data: &Path) -> String {
        let FirstCredential { access_key_id, secret, token } = self;
        format!(
            "requests must be signed; these keys were made for you, may do everything, and are kept in {}:\n  \
             export AWS_ACCESS_KEY_ID={access_key_id}\n  export AWS_SECRET_ACCESS_KEY={secret}\n  \
             export GALLOP_TOKEN={token}",
            data.join(FILE).display()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_made_once_for_the_owner_alone_and_found_again() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = data.path().join("new");
        assert!(FirstCredential::read(&folder).expect("nothing yet").is_empty());
        let first = FirstCredential::create(&folder).expect("made");
        let mode = fs::metadata(folder.join(FILE)).expect("kept").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).expect("readable").count(), 1);
        let [found] = FirstCredential::read(&folder).expect("read").try_into().expect("one");
        let made = first.credential();
        assert_eq!((&found.name, &found.access_key_id), (&made.name, &made.access_key_id));
        assert_eq!((&found.secret, &found.bearer_token), (&made.secret, &made.bearer_token));
        assert_eq!(found.policy, made.policy);
        found.check().expect("it can be used");
        assert!(FirstCredential::create(&folder).is_err(), "keys that are in use are not replaced");
        fs::write(folder.join(FILE), "[credentials.admin").expect("written");
        let torn = FirstCredential::read(&folder).expect_err("torn").to_string();
        assert!(torn.contains(FILE), "{torn}");
    }
}
