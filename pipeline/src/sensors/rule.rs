//! From what was asked of a port to the rule that pollers go by.

use std::net::IpAddr;
use std::num::NonZeroU32;

use ingest::sensor::port_rule::{FullPolicy, PortRule, StreamHandle};
use ipnet::IpNet;
use model::datagram::admin::{ADDRESSES_MAX, PolicySpec, PortSpec, RateSpec};
use model::datagram::schema::Schema;
use model::token_bucket::Rate;

/// The rule, without the sources that a file of keys names.
pub(super) fn rule_of(spec: &PortSpec, stream: StreamHandle, schema: &Schema) -> Result<PortRule, String> {
    let fields_bytes = u16::try_from(schema.width()).map_err(|_| "its records are too wide".to_owned())?;
    if spec.addresses.len() > ADDRESSES_MAX {
        return Err(format!("a port has at most {ADDRESSES_MAX} addresses, not {}", spec.addresses.len()));
    }
    let policy = match spec.policy {
        PolicySpec::DropNewest => FullPolicy::DropNewest,
        PolicySpec::Hold => FullPolicy::Hold,
    };
    Ok(PortRule {
        policy,
        addresses: ranges(&spec.addresses)?,
        rate: spec.rate.map(rate).transpose()?,
        ..PortRule::open_to_all(stream, spec.schema, fields_bytes)
    })
}

/// Address ranges; a single address is a range of one.
pub(crate) fn ranges(texts: &[String]) -> Result<Vec<IpNet>, String> {
    let range = |text: &String| {
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map_err(|_| format!("`{text}` is not an address range like 10.1.0.0/16"))
    };
    texts.iter().map(range).collect()
}

/// A rate of at least one.
pub(crate) fn rate(spec: RateSpec) -> Result<Rate, String> {
    let number =
        |value: u32, name: &str| NonZeroU32::new(value).ok_or_else(|| format!("rate.{name} must be at least 1"));
    Ok(Rate { per_second: number(spec.per_second, "per_second")?, burst: number(spec.burst, "burst")? })
}
