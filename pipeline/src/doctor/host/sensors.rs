//! The way of sensor frames past the kernel, where the settings ask for it.

use std::fs;
use std::path::Path;

use model::doctor::Finding;

use crate::config::data::sensor::SensorConfig;
use crate::doctor::finding::{ok, warn};
use crate::doctor::host::machine::{knows_xdp, version};

/// The first kernel whose sockets share frames as we need it.
const KERNEL_MIN: (u32, u32) = (5, 10);
/// Capabilities by their bits: raw sockets, interfaces, programs; the last one is part of 21 before
/// Linux 5.8.
const CAPABILITIES: [(&str, u32); 3] = [("CAP_NET_ADMIN", 12), ("CAP_NET_RAW", 13), ("CAP_BPF", 39)];
/// What stands in for all of them.
const ADMIN: u32 = 21;

/// Everything about it.
pub(crate) fn look(sensor: &SensorConfig) -> Vec<Finding> {
    let Some(interface) = &sensor.interface else {
        return vec![ok("sensor.path", "ordinary sockets: no interface is named")];
    };
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    vec![path(interface, &release, knows_xdp(Path::new("/proc/net/protocols"))), capabilities(&status)]
}

fn path(interface: &str, release: &str, known: bool) -> Finding {
    let check = "sensor.path";
    let sockets = "otherwise datagrams come through ordinary sockets";
    if !Path::new("/sys/class/net").join(interface).exists() {
        let fix = format!("name one that `ip link` shows in [sensor] interface; {sockets}");
        return warn(check, format!("interface `{interface}` does not exist"), fix);
    }
    if version(release).is_none_or(|version| version < KERNEL_MIN) {
        return warn(check, format!("Linux {}", release.trim()), format!("use Linux 5.10 or newer; {sockets}"));
    }
    if !known {
        let fix = format!("use a kernel with CONFIG_XDP_SOCKETS; {sockets}");
        return warn(check, "this kernel has no AF_XDP sockets", fix);
    }
    ok(check, format!("AF_XDP on {interface}"))
}

fn capabilities(status: &str) -> Finding {
    let check = "sensor.capabilities";
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap_or_default();
    let held = u64::from_str_radix(line.trim(), 16).unwrap_or(0);
    let has = |bit: u32| held >> bit & 1 == 1;
    let missing: Vec<&str> = CAPABILITIES.iter().filter(|(_, bit)| !has(*bit)).map(|(name, _)| *name).collect();
    if missing.is_empty() || has(ADMIN) {
        return ok(check, "this user may set up kernel bypass; the server gives up its privileges afterwards");
    }
    let fix = "grant them: AmbientCapabilities in the service, or `setcap cap_net_raw,cap_net_admin,cap_bpf+ep`; else \
               datagrams come through ordinary sockets";
    warn(check, format!("{} missing", missing.join(", ")), fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::doctor::State;

    #[test]
    fn what_keeps_frames_on_the_kernels_path_is_told() {
        assert_eq!(path("no-such-interface", "6.1.0", true).state, State::Warn);
        assert_eq!(path("lo", "4.19.0", true).state, State::Warn);
        assert_eq!(path("lo", "6.1.0", false).state, State::Warn);
        assert_eq!(path("lo", "6.1.0", true).state, State::Ok);
        assert_eq!(capabilities("CapEff:\t0000000000000000\n").state, State::Warn);
        assert_eq!(capabilities("CapEff:\t000001ffffffffff\n").state, State::Ok);
        assert_eq!(look(&SensorConfig::default())[0].state, State::Ok);
    }
}
