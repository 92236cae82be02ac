//! `gallop aws` and `gallop env`: the AWS command line against a gallop server, without anything to set by hand.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::failure::{Failure, Kind};
use crate::server::connection::Connection;

/// The variable that names the program.
const PROGRAM: &str = "GALLOP_AWS";
/// What signs where a server accepts any signature.
const ANY_KEY: &str = "any";
/// The region where none is said.
const REGION: &str = "us-east-1";

/// Arguments of `gallop aws`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop aws -- kinesis list-streams\n  gallop aws --endpoint http://127.0.0.1:5000 -- kinesis describe-stream-summary --stream-name wildrydes"
)]
pub struct AwsArgs {
    #[command(flatten)]
    target: Target,
    /// Arguments for `aws`.
    #[arg(last = true, required = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

/// Arguments of `gallop env`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  eval \"$(gallop env)\"\n  gallop env --endpoint http://127.0.0.1:5000 --data gallop-demo"
)]
pub struct EnvArgs {
    #[command(flatten)]
    target: Target,
}

/// Which server, and as whom.
#[derive(Debug, Args)]
struct Target {
    #[command(flatten)]
    connection: Connection,
    /// The server's data folder; its first credential is used if you name no other [default: gallop-data].
    #[arg(long, env = "GALLOP_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Key and secret of the first credential in a data folder, or in the usual one.
pub type FirstKeys = fn(Option<&Path>) -> Option<(String, String)>;

/// Becomes the AWS command line; returns only where that cannot be.
pub fn run(args: AwsArgs, first_keys: FirstKeys) -> anyhow::Result<()> {
    let program = std::env::var_os(PROGRAM).filter(|program| !program.is_empty()).unwrap_or_else(|| "aws".into());
    let mut command = Command::new(&program);
    command.envs(args.target.variables(first_keys)?).env("AWS_PAGER", "");
    if !args.args.iter().any(|arg| arg.to_string_lossy().starts_with("--endpoint-url")) {
        // Releases that do not know the variable know the flag.
        command.arg("--endpoint-url").arg(args.target.connection.endpoint());
    }
    let failed = command.args(args.args).exec();
    let program = Path::new(&program).display();
    Err(Failure::new(Kind::NotFound, format!("the AWS command line `{program}` cannot be run"))
        .why(failed.to_string())
        .fix(format!("install it (`pip install awscli`, or https://aws.amazon.com/cli), or name it with {PROGRAM}"))
        .into())
}

/// Prints what `gallop aws` would set, for a shell.
pub fn env(args: &EnvArgs, first_keys: FirstKeys) -> anyhow::Result<()> {
    for (name, value) in args.target.variables(first_keys)? {
        println!("export {name}='{}'", value.replace('\'', "'\\''"));
    }
    Ok(())
}

impl Target {
    /// What the AWS command line and SDKs go by: of what is set already, all but the server stays.
    fn variables(&self, first_keys: FirstKeys) -> anyhow::Result<Vec<(&'static str, String)>> {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let mut variables = vec![("AWS_ENDPOINT_URL", self.connection.endpoint())];
        if !is_set("AWS_REGION") && !is_set("AWS_DEFAULT_REGION") {
            variables.push(("AWS_DEFAULT_REGION", REGION.to_owned()));
        }
        if let Some(profile) = self.connection.profile() {
            variables.push(("AWS_PROFILE", profile.to_owned()));
        } else if !is_set("AWS_PROFILE") && !is_set("AWS_ACCESS_KEY_ID") {
            let found = first_keys(self.data.as_deref());
            let (id, secret) = found.unwrap_or((ANY_KEY.to_owned(), ANY_KEY.to_owned()));
            variables.push(("AWS_ACCESS_KEY_ID", id));
            variables.push(("AWS_SECRET_ACCESS_KEY", secret));
        }
        Ok(variables)
    }
}
