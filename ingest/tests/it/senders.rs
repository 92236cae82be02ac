//! The senders for device makers in `infra/sensors`: what they send is taken.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ingest::sensor::port_rule::{PortRule, SourceRule};
use ingest::udp::receiver::UdpReceiver;
use model::datagram::header::{SchemaId, SourceId};
use model::datagram::payload::Datagram;
use model::datagram::tag::TagKey;

use crate::sensors::{Kept, wait_for};
use crate::udp::{add_port_with, options};

const KEY: &str = "0123456789abcdef";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/sensors")
}

/// Sends with a program whose arguments are address, port, epoch and more, and checks what arrives: ten datagrams of three
/// records from this source, with a right tag where there is a key.
fn check_sender(program: impl Fn() -> Command, source: u32, tagged: bool) {
    let kept = Kept::start();
    let receiver = UdpReceiver::start(&kept.reception, options()).expect("sockets");
    let mut rule = PortRule::open_to_all(kept.stream, SchemaId(7), 8);
    let key = TagKey::new(KEY.as_bytes().try_into().expect("16 bytes"));
    if tagged {
        let registered = SourceRule { keys: vec![(1, key.clone())], ..SourceRule::default() };
        (rule.tagged, rule.unregistered) = (true, false);
        rule.sources = HashMap::from_iter([(SourceId(source), registered)]);
    }
    let port = add_port_with(&kept, rule).to_string();
    for epoch in [1, 2] {
        let mut command = program();
        command.args(["127.0.0.1", &port, &epoch.to_string()]).args(tagged.then_some(KEY));
        assert!(command.status().expect("it starts").success());
        // The second run has a port of its own, and so may have another poller: nothing of the first may be left by then.
        wait_for("what was sent", || kept.reception.tally().stored == epoch * 10);
    }
    drop(receiver);
    let stored = kept.end();
    for (at, bytes) in stored.iter().enumerate() {
        let datagram = Datagram::read(bytes).expect("it was stored");
        let header = datagram.header;
        assert_eq!((header.source_id.0, header.count, header.epoch), (source, 3, at as u16 / 10 + 1));
        assert_eq!(header.first, at as u64 % 10 * 3);
        assert_eq!(datagram.is_from(&key), tagged);
        let last = datagram.records().last().expect("three records").fields.to_vec();
        assert_eq!(last, [&(20.7f32 + (at % 10) as f32).to_le_bytes()[..], &[0xde, 5, 1, 0]].concat());
    }
}

#[test]
fn the_sender_in_python_is_understood() {
    let python = || {
        let mut command = Command::new("python3");
        command.arg(folder().join("send.py"));
        command
    };
    check_sender(python, 18, false);
}

#[test]
fn the_sender_in_c_is_understood_with_and_without_a_tag() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let program = scratch.path().join("send");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o"]);
    assert!(compiler.arg(&program).arg(folder().join("send.c")).status().expect("a C compiler").success());
    check_sender(|| Command::new(&program), 17, false);
    check_sender(|| Command::new(&program), 17, true);
}
