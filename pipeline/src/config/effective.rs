//! The settings in effect: flags, variables and the settings file, combined.
//!
//! Text, values, their relations and the files they name are checked in one pass, before anything
//! is started or written. `serve`, `config check` and `doctor` report the same errors. A check of a
//! value knows nothing of the text; the keys that lead to the value find its line. What cannot be
//! read is left out and the rest is read again, so one error does not hide the next.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use clap::Args;
use gateway::accept::tls::Tls;

use crate::config::access::account;
use crate::config::access::admission::{Known, Signatures};
use crate::config::access::exposure;
use crate::config::file::{Config, FILE_NAME, PORT, read_text};
use crate::config::references::References;
use crate::config::text::document::{Document, Understood};
use crate::config::text::error::{ConfigError, Faults, Located};

/// Folder that is used when none is named.
pub(crate) const DATA: &str = "gallop-data";

/// The flags and variables that rank above the settings file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingsArgs {
    /// Settings file [default: `gallop.toml` in the data folder, if it exists].
    #[arg(long, env = "GALLOP_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data folder [default: gallop-data].
    #[arg(long, env = "GALLOP_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1].
    #[arg(long, env = "GALLOP_HOST", value_name = "ADDRESS")]
    pub(crate) host: Option<IpAddr>,
    /// Port to listen on; 0 chooses a free one [default: 4567].
    #[arg(long, env = "GALLOP_PORT", value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Whether signatures are verified [default: if there are credentials].
    #[arg(long, env = "GALLOP_SIGNATURES", value_enum)]
    pub(crate) signatures: Option<Signatures>,
    /// Region in ARNs and signatures [default: us-east-1].
    #[arg(long, env = "GALLOP_REGION", value_name = "NAME", value_parser = account::region)]
    pub(crate) region: Option<String>,
    /// Account in ARNs, twelve digits [default: 000000000000].
    #[arg(long, env = "GALLOP_ACCOUNT_ID", value_name = "DIGITS", value_parser = account::account_id)]
    pub(crate) account_id: Option<String>,
    /// Listen beyond loopback even without verified signatures or without a certificate.
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// What a start goes by.
pub(crate) struct Effective {
    /// The settings file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// The folder that paths in the settings are relative to.
    pub(crate) folder: PathBuf,
    /// The folder for everything that is kept.
    pub(crate) data: PathBuf,
    /// The address to listen on.
    pub(crate) host: IpAddr,
    /// The port to listen on.
    pub(crate) port: u16,
    /// The settings, with region, account and the secrets of variables taken over.
    pub(crate) config: Config,
    /// Whether signatures are verified.
    pub(crate) signatures: Signatures,
    /// The credentials there are.
    pub(crate) known: Known,
    /// The certificate.
    pub(crate) tls: Option<Tls>,
}

impl SettingsArgs {
    /// The same of a file that is named without a flag.
    pub(crate) fn of_file(self, path: Option<PathBuf>) -> SettingsArgs {
        SettingsArgs { config: path.or(self.config), ..self }
    }

    /// The settings file, if there is one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let beside_data = self.data.clone().unwrap_or_else(|| DATA.into()).join(FILE_NAME);
        self.config.clone().or_else(|| beside_data.exists().then_some(beside_data))
    }

    /// Brings them together. Error: all that stands against a start.
    pub(crate) fn read(&self) -> Result<Effective, ConfigError> {
        let Some(file) = self.file() else {
            let (effective, faults) = self.finish(None, Config::default(), |faults| in_no_file(&faults));
            ConfigError::unless_none(faults)?;
            return Ok(effective);
        };
        let text = read_text(&file)?;
        let document = Document::parse(&file, &text).map_err(|faults| ConfigError { faults })?;
        let Understood { settings, faults, left_out } = document.understand::<Config>();
        let mut located = faults;
        let Some(config) = settings else {
            return Err(ConfigError::unless_none(located).expect_err("it does not read"));
        };
        let mut of_values = Faults::default();
        config.check(&mut of_values);
        located.extend(document.locate(of_values.found, &left_out));
        let (effective, more) = self.finish(Some(&file), config, |faults| document.locate(faults.found, &left_out));
        located.extend(more);
        ConfigError::unless_none(located)?;
        Ok(effective)
    }

    /// Checks what the settings refer to. `locate` says where in them faults are.
    fn finish(
        &self,
        file: Option<&Path>,
        mut config: Config,
        locate: impl Fn(Faults) -> Vec<Located>,
    ) -> (Effective, Vec<Located>) {
        let folder = file.and_then(Path::parent).map(PathBuf::from).unwrap_or_default();
        let host = self.host.or(config.host).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let port = self.port.or(config.port).unwrap_or(PORT);
        let data = self.data.clone().or_else(|| config.data.clone()).unwrap_or_else(|| DATA.into());
        config.region = self.region.clone().or(config.region);
        config.account_id = self.account_id.clone().or(config.account_id);
        let mut references = References::default();
        references.check(&mut config, &folder, &data, host);
        let signatures = self.signatures.or(config.signatures).unwrap_or_else(|| {
            let closed = self.insecure || host.to_canonical().is_loopback();
            references.known.usual(closed)
        });
        if let Err((message, advice)) =
            exposure::check(host, signatures == Signatures::Verify, config.tls.is_some(), self.insecure)
        {
            match self.host {
                Some(_) => references.located.push(Located::of_source("--host", message, advice)),
                None => references.faults.add(&["host"], message, advice),
            }
        }
        let References { faults, mut located, known, tls } = references;
        located.extend(locate(faults));
        let effective =
            Effective { file: file.map(PathBuf::from), folder, data, host, port, config, signatures, known, tls };
        (effective, located)
    }
}

/// Faults of settings that no file holds.
fn in_no_file(faults: &Faults) -> Vec<Located> {
    let located = |fault: &crate::config::text::error::Fault| {
        Located::of_source(fault.path.join("."), fault.message.clone(), fault.suggestion.clone())
    };
    faults.found.iter().map(located).collect()
}
