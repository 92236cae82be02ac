//! A running server: whether it answers, takes calls, is of this version, and how its queries and deliveries are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::anyhow;
use hyper::StatusCode;
use model::doctor::Finding;
use serde_json::Value;

use crate::doctor::elsewhere::ANSWER_MAX;
use crate::doctor::finding::{fail, ok, warn};
use client::server::connection::{Connection, ENDPOINT};
use client::server::rest_client::RestClient;

/// What a server finds of its own workers.
const WORKER_CHECKS: [&str; 3] = ["server.queries", "server.deliveries", "server.tasks"];

/// Everything about it. `here` is where the settings would have it listen.
pub(crate) async fn look(connection: &Connection, here: Option<SocketAddr>) -> Vec<Finding> {
    let check = "server.health";
    let named = connection.named_endpoint();
    let endpoint = named.clone().unwrap_or_else(|| here.map_or_else(|| ENDPOINT.to_owned(), url));
    let client = match connection.authorization().await.and_then(|who| RestClient::new(&endpoint, who)) {
        Ok(client) => client,
        Err(error) => {
            return vec![warn(check, format!("{error:#}"), "name keys with AWS_PROFILE, or a token with --token")];
        }
    };
    match ask(&client, "/healthz").await {
        Ok((StatusCode::OK, _)) => {}
        Ok((status, _)) => {
            return vec![fail(
                check,
                format!("{endpoint} answers with {status}"),
                "name a gallop server with --endpoint",
            )];
        }
        Err(_) if named.is_none() => return vec![ok(check, format!("none runs at {endpoint}"))],
        Err(error) => {
            let fix = "start it with `gallop serve`, or name another with --endpoint";
            return vec![fail(check, format!("{error:#}").replace('\n', " ").trim().to_owned(), fix)];
        }
    }
    let mut findings = vec![ok(check, format!("{endpoint} answers")), ready(&client).await];
    match ask(&client, "/metrics").await {
        Ok((StatusCode::OK, text)) => findings.extend(figures(&text)),
        Ok((StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _)) => findings.push(warn(
            "server.version",
            "it does not show its figures to you",
            "name keys with AWS_PROFILE, or a token with --token, that may gallop:Metrics",
        )),
        Ok((status, _)) => findings.push(warn("server.version", format!("its figures: {status}"), "look at its log")),
        Err(error) => findings.push(warn("server.version", format!("{error:#}"), "look at its log")),
    }
    findings.extend(workers(&client).await);
    findings
}

/// Where a server that listens at `here` is asked: from this machine, it answers without TLS too.
fn url(here: SocketAddr) -> String {
    let ip = match here.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, here.port()))
}

/// What the server answers, if it does so in time: something else may listen there, and say nothing.
async fn ask(client: &RestClient, path: &str) -> anyhow::Result<(StatusCode, String)> {
    let late = |_| anyhow!("{} does not answer within {} s", client.endpoint(), ANSWER_MAX.as_secs());
    tokio::time::timeout(ANSWER_MAX, client.text(path)).await.map_err(late)?
}

async fn ready(client: &RestClient) -> Finding {
    let check = "server.ready";
    match ask(client, "/readyz").await {
        Ok((StatusCode::OK, _)) => ok(check, "it accepts requests"),
        Ok((status, text)) => warn(check, format!("{status}: {}", text.trim()), "wait: it is starting or stopping"),
        Err(error) => fail(check, format!("{error:#}"), "look at its log"),
    }
}

/// What its figures say.
fn figures(text: &str) -> Vec<Finding> {
    let own = env!("CARGO_PKG_VERSION");
    let version = text.lines().find_map(|line| line.strip_prefix("gallop_build_info{version=\"")?.split('"').next());
    let version = match version {
        Some(version) if version == own => ok("server.version", format!("{own}, as this program")),
        Some(version) => warn(
            "server.version",
            format!("{version}, and this program is {own}"),
            "use the program that the server was started with, or restart the server with this one",
        ),
        None => warn("server.version", "it does not say", "name a gallop server with --endpoint"),
    };
    vec![version, throttled(text)]
}

/// What the server itself finds of its queries, deliveries and tasks.
async fn workers(client: &RestClient) -> Vec<Finding> {
    let unknown = |why: String, fix: &str| vec![warn("server.queries", why, fix)];
    let answer = match ask(client, "/v1/doctor").await {
        Ok((StatusCode::OK, text)) => serde_json::from_str::<Value>(&text).unwrap_or_default(),
        Ok((StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _)) => {
            let fix = "name keys with AWS_PROFILE, or a token with --token, that may gallop:Doctor";
            return unknown("it does not say to you how its queries and deliveries are".to_owned(), fix);
        }
        Ok((status, _)) => return unknown(format!("it does not say how its queries are: {status}"), "look at its log"),
        Err(error) => return unknown(format!("{error:#}"), "look at its log"),
    };
    let checks = answer["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    checks.iter().filter_map(finding_of).collect()
}

/// A finding of the server about one of its kinds of workers.
fn finding_of(check: &Value) -> Option<Finding> {
    let name = WORKER_CHECKS.into_iter().find(|name| check["check"] == *name)?;
    let text = |part: &str| check[part].as_str().unwrap_or_default().to_owned();
    Some(match check["state"].as_str()? {
        "ok" => ok(name, text("found")),
        "warn" => warn(name, text("found"), text("fix")),
        _ => fail(name, text("found"), text("fix")),
    })
}

fn throttled(text: &str) -> Finding {
    let check = "server.throttling";
    let all = values(text, "gallop_stream_throttled_records_total");
    let sum: f64 = all.iter().map(|(_, value)| value).sum();
    if sum == 0.0 {
        return ok(check, "no record was rejected");
    }
    warn(check, format!("{sum:.0} records were sent back since the start"), "split hot shards, or send less at once")
}

/// The values of a metric, with their labels.
fn values(text: &str, metric: &str) -> Vec<(String, f64)> {
    let of_metric = |line: &str| {
        let rest = line.strip_prefix(metric)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{')).then(|| Some((labels.to_owned(), value.parse().ok()?)))?
    };
    text.lines().filter_map(of_metric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::doctor::State;

    fn judged(text: &str) -> Vec<(&'static str, State)> {
        figures(text).iter().map(|finding| (finding.check, finding.state)).collect()
    }

    #[test]
    fn figures_are_judged() {
        let own = env!("CARGO_PKG_VERSION");
        let well = format!(
            "gallop_build_info{{version=\"{own}\"}} 1\ngallop_stream_throttled_records_total{{stream=\"s\"}} 0\n"
        );
        assert!(judged(&well).iter().all(|(_, state)| *state == State::Ok), "{:?}", figures(&well));
        let ill = well.replace(own, "9.9.9").replace("{stream=\"s\"} 0", "{stream=\"s\"} 7");
        let states: Vec<State> = judged(&ill).into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, [State::Warn, State::Warn], "{:?}", figures(&ill));
    }

    #[test]
    fn what_the_server_finds_of_its_workers_is_taken_over() {
        let check = |name: &str, state: &str| {
            finding_of(&serde_json::json!({"check": name, "state": state, "found": "1 run", "fix": "look"}))
        };
        let states = ["ok", "warn", "fail"].map(|state| check("server.queries", state).expect("a worker").state);
        assert_eq!(states, [State::Ok, State::Warn, State::Fail]);
        assert_eq!(check("server.tasks", "fail").expect("a worker").fix.as_deref(), Some("look"));
        assert_eq!(check("machine.clock", "ok"), None);
    }
}
