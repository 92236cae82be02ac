//! What a poller does with each datagram, where it lies.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::datagram::payload::Datagram;

use super::accounts::{NO_RULE, PollerAccounts, Slot};
use super::cause::Rejection;
use super::lane::LaneWriter;
use super::port_rule::{FullPolicy, PortRule, StreamHandle};
use super::port_table::PortView;
use super::reception::Reception;
use super::replay_window::{Placed, ReplayWindow};

/// How long a poller that holds waits before it looks again whether its writer has caught up.
const HOLD_PAUSE: Duration = Duration::from_micros(100);

/// How long an accepted datagram may wait in its batch without anybody looking whether its writer has become free.
pub const BATCH_WAIT_MAX: Duration = Duration::from_millis(1);

/// Nanoseconds since 1970, by the system's clock.
#[expect(clippy::disallowed_methods, reason = "a poller stamps with the clock that it calls once a round")]
pub(crate) fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is in its stream's open batch.
    Accepted,
    /// It is counted under this cause.
    Rejected(Rejection),
    /// Its stream's writer is behind, and its port's policy is to hold: nothing was counted; give it again later.
    Held,
}

/// One poller's judge of datagrams.
///
/// A round of a poller is [`Intake::begin`], then [`Intake::take`] for each datagram, then [`Intake::end`].
#[derive(Debug)]
pub struct Intake {
    reception: Arc<Reception>,
    view: PortView,
    accounts: Arc<PollerAccounts>,
    lanes: Lanes,
    now_nanos: u64,
}

/// A poller's lanes, by stream.
#[derive(Debug, Default)]
struct Lanes {
    generation: u64,
    lanes: Vec<Option<LaneWriter>>,
    poller: usize,
}

impl Reception {
    /// The judge for a new poller; its name is for people.
    pub fn intake(self: &Arc<Self>, poller: impl Into<String>) -> Intake {
        let (poller, accounts) = self.add_poller(poller.into());
        Intake::new(Arc::clone(self), poller, accounts)
    }
}

impl Intake {
    fn new(reception: Arc<Reception>, poller: usize, accounts: Arc<PollerAccounts>) -> Self {
        let view = PortView::new(&reception.ports);
        let lanes = Lanes { poller, ..Lanes::default() };
        let mut intake = Intake { reception, view, accounts, lanes, now_nanos: 0 };
        intake.lanes.refresh(&intake.reception);
        intake
    }

    /// Begins a round: rules and streams are as they are now, and datagrams are received at `now_nanos` since 1970.
    pub fn begin(&mut self, now_nanos: u64) {
        self.now_nanos = now_nanos;
        self.view.refresh(&self.reception.ports);
        self.lanes.refresh(&self.reception);
    }

    /// Judges the payload of a UDP packet from an address to a port.
    pub fn take(&mut self, from: IpAddr, port: u16, bytes: &[u8]) -> Taken {
        let Some(placed) = self.view.placed(port) else {
            self.accounts.rejected(NO_RULE, Rejection::NoRule);
            return Taken::Rejected(Rejection::NoRule);
        };
        let (slot, rule) = (placed.slot, &*placed.rule);
        let lane = self.lanes.get(rule.stream);
        if rule.policy == FullPolicy::Hold
            && let Some(lane) = lane
            && !lane.is_abandoned()
            && !lane.make_room(bytes.len())
        {
            return Taken::Held;
        }
        match self.judge(slot, port, &from, bytes) {
            Ok(()) => Taken::Accepted,
            Err(cause) => {
                self.accounts.rejected(slot, cause);
                Taken::Rejected(cause)
            }
        }
    }

    /// As [`Intake::take`], and where the policy is to hold, waits for the writer: until it has caught up, the rule
    /// changes, or `stopped` says so. Only then [`Taken::Held`] comes back, and the datagram is lost uncounted.
    pub fn take_patiently(&mut self, from: IpAddr, port: u16, bytes: &[u8], stopped: impl Fn() -> bool) -> Taken {
        loop {
            let taken = self.take(from, port, bytes);
            if taken != Taken::Held || stopped() {
                return taken;
            }
            self.end();
            std::thread::sleep(HOLD_PAUSE);
            self.begin(now_nanos());
        }
    }

    /// Counts a packet that was steered here and is not whole.
    pub fn reject_packet(&mut self) {
        self.accounts.rejected(NO_RULE, Rejection::Packet);
    }

    fn judge(&mut self, slot: Slot, port: u16, from: &IpAddr, bytes: &[u8]) -> Result<(), Rejection> {
        let rule = &*self.view.placed(port).ok_or(Rejection::NoRule)?.rule;
        if !rule.allows(from) {
            return Err(Rejection::Address);
        }
        let datagram = Datagram::read(bytes)?;
        self.reception.admit(rule, port, from, &datagram, self.now_nanos)?;
        let lane = self.lanes.get(rule.stream).ok_or(Rejection::NoWriter)?;
        if lane.is_abandoned() {
            return Err(Rejection::NoWriter);
        }
        if !lane.make_room(bytes.len()) {
            return Err(Rejection::ShardFull);
        }
        lane.push(bytes, &datagram.header, port, slot, self.now_nanos);
        self.accounts.accepted(slot, datagram.header.count, bytes.len());
        Ok(())
    }

    /// Ends a round: batches leave for writers that have nothing else to do. Returns whether some wait still: then the
    /// poller may sleep no longer than [`BATCH_WAIT_MAX`] before it ends another.
    pub fn end(&mut self) -> bool {
        let now_nanos = self.now_nanos;
        self.lanes.lanes.iter_mut().flatten().fold(false, |waiting, lane| lane.hand_over_due(now_nanos) | waiting)
    }

    /// All batches leave, whatever their writers have to do.
    pub fn flush(&mut self) {
        self.lanes.lanes.iter_mut().flatten().for_each(LaneWriter::hand_over);
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.flush();
        self.lanes.lanes.clear();
        self.reception.poller_ended(self.lanes.poller);
    }
}

impl Lanes {
    /// Takes over the lanes of streams that were opened since.
    fn refresh(&mut self, reception: &Reception) {
        let Some((generation, arrivals)) = reception.lanes_since(self.poller, self.generation) else { return };
        self.generation = generation;
        // Streams that nobody reads any more.
        for lane in &mut self.lanes {
            lane.take_if(|lane| lane.is_abandoned());
        }
        for (StreamHandle(stream), lane) in arrivals {
            let at = usize::from(stream);
            if self.lanes.len() <= at {
                self.lanes.resize_with(at + 1, || None);
            }
            self.lanes[at] = Some(lane);
        }
    }

    fn get(&mut self, StreamHandle(stream): StreamHandle) -> Option<&mut LaneWriter> {
        self.lanes.get_mut(usize::from(stream))?.as_mut()
    }
}

impl Reception {
    /// Whether a datagram may come in, whatever becomes of it then.
    fn admit(
        &self,
        rule: &PortRule,
        port: u16,
        from: &IpAddr,
        datagram: &Datagram<'_>,
        now_nanos: u64,
    ) -> Result<(), Rejection> {
        let header = &datagram.header;
        if !rule.takes(header) {
            return Err(Rejection::Schema);
        }
        let registered = rule.source(header.source_id, from)?;
        let judged = self.sources.with(port, header.source_id, |source| {
            source.seen_at_nanos = now_nanos;
            // Tag before rate: whoever knows a device's number, but not its key, spends nothing of its rate.
            if rule.tagged {
                let key = registered.and_then(|registered| registered.key(header.key_id));
                if !key.is_some_and(|key| datagram.is_from(key)) {
                    source.tag_wrong += 1;
                    return Err(Rejection::Tag);
                }
            }
            let rate = registered.and_then(|registered| registered.rate).or(rule.rate);
            if rate.is_some_and(|rate| !source.bucket.take(rate, now_nanos)) {
                source.rate_limited += 1;
                return Err(Rejection::RateLimited);
            }
            let window = source.window.get_or_insert_with(|| ReplayWindow::starting_with(header));
            match window.place(header, &mut source.sequence) {
                Placed::Next | Placed::Ahead(_) | Placed::Late => Ok(()),
                Placed::Duplicate | Placed::TooOld => Err(Rejection::Replayed),
            }
        });
        judged.ok_or(Rejection::SourcesFull)?
    }
}
