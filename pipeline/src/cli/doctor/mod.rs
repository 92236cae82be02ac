//! `gallop doctor`: every check with what was found and what to do about it; exit status 1 where
//! one failed.

mod server;

use std::net::SocketAddr;

use clap::Args;
use ingest::log::frames::key::KeyRing;
use model::doctor::{Finding, State, worst};
use serde_json::json;

use crate::config::effective::{DATA, SettingsArgs};
use crate::config::file::Config;
use crate::doctor::host::{folder, machine, sensors};
use crate::doctor::{elsewhere, settings, streams};
use client::failure::{Failure, Kind};
use client::output::row_printer::{Output, OutputArgs};
use client::server::connection::Connection;

/// Arguments of `gallop doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  gallop doctor\n  gallop doctor --config gallop.toml --endpoint http://127.0.0.1:4567 --output json"
)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: OutputArgs,
}

/// Looks at everything, and says what it found.
pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<()> {
    let findings = look(&args).await;
    print(&findings, args.output.choose());
    let failed: Vec<&str> =
        findings.iter().filter(|finding| finding.state == State::Fail).map(|finding| finding.check).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let failed = Failure::new(Kind::Failed, format!("{} of {} checks failed", failed.len(), findings.len()))
        .why(failed.join(", "))
        .fix("follow the advice after each of them, and run it again");
    Err(failed.into())
}

async fn look(args: &DoctorArgs) -> Vec<Finding> {
    let read = args.settings.read();
    let mut findings = vec![settings::valid(&read)];
    let data = match &read {
        Ok(effective) => effective.data.clone(),
        Err(_) => args.settings.data.clone().unwrap_or_else(|| DATA.into()),
    };
    let (config, folder) = read.as_ref().map_or_else(
        |_| (Config::default(), data.clone()),
        |effective| (effective.config.clone(), effective.folder.clone()),
    );
    if let Ok(effective) = &read {
        findings.extend(settings::look(effective));
    }
    findings.extend(machine::look());
    findings.extend(folder::look(&data));
    findings.extend(streams::look(&data, &config.encryption.keys(&folder).unwrap_or_else(|_| KeyRing::default())));
    match elsewhere::dynamodb(&config).await {
        Some(found) => findings.push(found),
        None => findings.push(streams::tables(&data)),
    }
    findings.push(elsewhere::archive(&config, &data).await);
    findings.push(elsewhere::kafka(&config).await);
    findings.extend(sensors::look(&config.sensor));
    let here = read.as_ref().ok().map(|effective| SocketAddr::new(effective.host, effective.port));
    findings.extend(server::look(&args.connection, here).await);
    findings
}

fn print(findings: &[Finding], output: Output) {
    if output == Output::Json {
        println!("{}", json!({ "state": worst(findings), "checks": findings }));
        return;
    }
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for Finding { check, state, found, fix } in findings {
        let mark = match state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let found = found.replace('\n', "\n       ");
        println!("{mark}  {check:width$}  {found}");
        if let Some(fix) = fix {
            println!("      {:width$}  fix: {fix}", "");
        }
    }
    let of = |state: State| findings.iter().filter(|finding| finding.state == state).count();
    println!("{} ok, {} warnings, {} failed", of(State::Ok), of(State::Warn), of(State::Fail));
}
