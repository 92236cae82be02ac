//! The settings, the certificate, and the port.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use model::clock::{Clock, SystemClock};
use model::doctor::Finding;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::config::access::admission::Signatures;
use crate::config::access::first_credential::FirstCredential;
use crate::config::effective::Effective;
use crate::config::file::Config;
use crate::config::text::error::ConfigError;
use crate::doctor::finding::{fail, ok, warn};
use crate::doctor::host::folder;
use crate::holder;

/// Days before a certificate's end at which somebody should see to it.
const DAYS_WARN: i64 = 30;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Whether a server would start with them.
pub(crate) fn valid(read: &Result<Effective, ConfigError>) -> Finding {
    let check = "settings.valid";
    match read {
        Ok(effective) => match &effective.file {
            Some(file) => ok(check, file.display().to_string()),
            None => ok(check, "no file; usual values, flags and variables"),
        },
        Err(error) => fail(check, error.to_string(), "correct what is marked; `gallop config check` looks again"),
    }
}

/// Everything that valid settings allow to be looked at.
pub(crate) fn look(effective: &Effective) -> Vec<Finding> {
    vec![
        folder::secrets(&secret_files(&effective.config, &effective.folder, &effective.data)),
        exposure(effective.host, effective.signatures, effective.tls.is_some()),
        certificate(certificate_file(&effective.config, &effective.folder).as_deref()),
        port(SocketAddr::new(effective.host, effective.port), &effective.data),
    ]
}

/// The certificate of the settings.
pub(crate) fn certificate_file(config: &Config, folder: &Path) -> Option<PathBuf> {
    config.tls.as_ref().map(|tls| tls.files(folder).certificate)
}

/// The files of secrets that settings and data folder have.
pub(crate) fn secret_files(config: &Config, folder: &Path, data: &Path) -> Vec<PathBuf> {
    let mut files = vec![FirstCredential::file(data)];
    let of_credentials = config.credentials.values().flat_map(|credential| credential.secret_files());
    files.extend(of_credentials.map(|file| folder.join(file)));
    files.extend(config.encryption.key_file.iter().map(|file| folder.join(file)));
    files.extend(config.tls.iter().map(|tls| tls.files(folder).key));
    files
}

fn exposure(host: IpAddr, signatures: Signatures, tls: bool) -> Finding {
    let check = "settings.exposure";
    let verified = signatures == Signatures::Verify;
    if host.to_canonical().is_loopback() {
        return ok(check, format!("{host}: only this machine reaches it"));
    }
    match (verified, tls) {
        (true, true) => ok(check, format!("{host}: requests are signed and encrypted")),
        (false, _) => fail(
            check,
            format!("anyone who reaches {host} may read and write: signatures are not verified"),
            "signatures = \"verify\" in the settings",
        ),
        (true, false) => {
            warn(check, format!("others on the network can read the traffic to {host}"), "add [tls] to the settings")
        }
    }
}

/// How long a certificate holds.
pub(crate) fn certificate(file: Option<&Path>) -> Finding {
    let check = "settings.certificate";
    let Some(file) = file else { return ok(check, "none is configured") };
    let now = SystemClock.now().as_secs();
    match validity(file) {
        Ok((from, to)) => judge_certificate(from, to, now),
        Err(why) => warn(check, format!("{}: {why}", file.display()), "look at it with `openssl x509 -text -in FILE`"),
    }
}

/// The seconds between which a certificate holds.
fn validity(file: &Path) -> Result<(i64, i64), String> {
    let certificate = CertificateDer::from_pem_file(file).map_err(|error| error.to_string())?;
    let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|error| error.to_string())?;
    let validity = parsed.validity();
    Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

fn judge_certificate(from: i64, to: i64, now: i64) -> Finding {
    let check = "settings.certificate";
    let fix = "replace it: a running server uses the new one within seconds";
    let days = (to - now).div_euclid(DAY_SECONDS);
    if now < from {
        return fail(check, "it does not hold yet", "set the clock right, or wait");
    }
    match days {
        ..0 => fail(check, format!("it ended {} days ago", -days), fix),
        0..DAYS_WARN => warn(check, format!("it ends in {days} days"), fix),
        _ => ok(check, format!("it holds for {days} more days")),
    }
}

fn port(address: SocketAddr, data: &Path) -> Finding {
    let check = "port.free";
    let error = match TcpListener::bind(address) {
        Ok(_) => return ok(check, format!("{address} is free")),
        Err(error) => error,
    };
    let server = holder::of_file(&data.join("streams/~lock"));
    match (holder::of_port(address), server) {
        (Some(holder), Some(server)) if holder == server => {
            ok(check, format!("{address} is the server's own: {holder}"))
        }
        (Some(holder), _) => {
            fail(check, format!("{address}: {holder} has it"), "stop that process, or choose another with --port")
        }
        (None, _) => fail(check, format!("{address}: {error}"), "choose another with --host and --port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::doctor::State;

    #[test]
    fn certificates_are_judged_by_their_days() {
        let day = DAY_SECONDS;
        assert_eq!(judge_certificate(0, 100 * day, 10 * day).state, State::Ok);
        assert_eq!(judge_certificate(0, 100 * day, 90 * day).found, "it ends in 10 days");
        assert_eq!(judge_certificate(0, 100 * day, 90 * day).state, State::Warn);
        assert_eq!(judge_certificate(0, 100 * day, 101 * day).state, State::Fail);
        assert_eq!(judge_certificate(5, 100 * day, 1).state, State::Fail);
    }

    #[test]
    fn who_may_come_in_is_judged_by_who_can_reach_it() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let all = IpAddr::from([0, 0, 0, 0]);
        assert_eq!(exposure(local, Signatures::Any, false).state, State::Ok);
        assert_eq!(exposure(all, Signatures::Any, true).state, State::Fail);
        assert_eq!(exposure(all, Signatures::Verify, false).state, State::Warn);
        assert_eq!(exposure(all, Signatures::Verify, true).state, State::Ok);
    }

    #[test]
    fn a_port_that_is_taken_names_its_holder() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let found = port(taken.local_addr().expect("it listens"), Path::new("no-such-folder"));
        assert_eq!(found.state, State::Fail);
        assert!(found.found.contains(&format!("process {} (", std::process::id())), "{found:?}");
    }
}
