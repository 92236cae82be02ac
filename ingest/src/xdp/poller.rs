//! A thread that reads one receive queue.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tracing::error;

use super::packet;
use super::socket::XdpSocket;
use crate::sensor::intake::{BATCH_WAIT_MAX, Intake, now_nanos};
use crate::sensor::wake::Wake;

/// Frames of a round.
const BURST_FRAMES: u32 = 64;
/// How long a poller without frames looks again and again before it sleeps: waking up costs more than that.
const SPIN: Duration = Duration::from_micros(50);
/// Empty looks between two looks at the clock.
const LOOKS: u32 = 64;

/// What a poller shares with its receiver.
#[derive(Debug)]
pub(super) struct PollerControl {
    pub(super) wake: Wake,
    stop: AtomicBool,
    /// Frames that waited when the poller looked last.
    waiting: AtomicU32,
}

impl PollerControl {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(PollerControl { wake: Wake::new()?, stop: AtomicBool::new(false), waiting: AtomicU32::new(0) })
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake.raise();
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Reads until it is stopped; what is accepted by then is handed over.
pub(super) fn run(control: &PollerControl, mut socket: XdpSocket, mut intake: Intake) {
    while !control.stopped() {
        control.wake.take();
        if round(control, &mut socket, &mut intake) > 0 || spin(control, &mut socket, &mut intake) {
            continue;
        }
        let limit = intake.end().then_some(BATCH_WAIT_MAX);
        if let Err(error) = control.wake.wait([socket.as_fd()], &mut Vec::new(), limit) {
            error!(%error, "sensor frames cannot be waited for");
            return;
        }
    }
    // The program is off the interface by now: what it redirected before is in the ring, and no more comes.
    while round(control, &mut socket, &mut intake) > 0 {}
}

/// Takes what is there, up to a burst.
fn round(control: &PollerControl, socket: &mut XdpSocket, intake: &mut Intake) -> u32 {
    let mut begun = false;
    let count = socket.receive(BURST_FRAMES, |frame| {
        if !begun {
            intake.begin(now_nanos());
            begun = true;
        }
        match packet::read(frame) {
            Some(packet) => {
                let from = IpAddr::V4(packet.from);
                intake.take_patiently(from, packet.port, packet.payload, || control.stopped());
            }
            None => intake.reject_packet(),
        }
    });
    if count > 0 {
        intake.end();
        control.waiting.store(socket.ring_fill().0, Ordering::Relaxed);
        if socket.needs_wakeup() {
            socket.wake();
        }
    }
    count
}

/// Looks again for a while. Whether something came.
fn spin(control: &PollerControl, socket: &mut XdpSocket, intake: &mut Intake) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < SPIN && !control.stopped() {
        intake.begin(now_nanos());
        intake.end();
        for _ in 0..LOOKS {
            if socket.ring_fill().0 > 0 {
                return true;
            }
            std::hint::spin_loop();
        }
    }
    false
}
