//! Limits the number of connections by address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections by address and rejects those over the limit.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    per_address_max: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// Permission for one connection. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    limit: Arc<ConnectionLimit>,
    /// Nothing for loopback, which is not counted.
    address: Option<IpAddr>,
}

impl ConnectionLimit {
    /// A limit with no connections counted yet.
    pub(crate) fn new(per_address_max: usize) -> Arc<Self> {
        Arc::new(ConnectionLimit { per_address_max, taken: Mutex::default() })
    }

    /// A permit for a connection from `peer`; none if that address has reached its limit.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<ConnectionPermit> {
        let address = counted(peer);
        if let Some(address) = address {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let count = taken.entry(address).or_default();
            if *count >= self.per_address_max {
                return None;
            }
            *count += 1;
        }
        Some(ConnectionPermit { limit: Arc::clone(self), address })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut taken = self.limit.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = taken.get_mut(&address) else { return };
        *count -= 1;
        if *count == 0 {
            taken.remove(&address);
        }
    }
}

/// What a peer is counted as: a customer of IPv6 has a whole /64 to come from.
fn counted(peer: IpAddr) -> Option<IpAddr> {
    match peer.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
        address => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let limit = ConnectionLimit::new(2);
        let take = |peer: &str| limit.take(peer.parse().expect("an address"));
        let first = take("10.0.0.1").expect("free");
        let mapped = take("::ffff:10.0.0.1").expect("free");
        assert!(take("10.0.0.1").is_none());
        let _other = take("10.0.0.2").expect("another address");
        drop(first);
        let again = take("10.0.0.1").expect("free again");
        let _network = [take("2001:db8::1").expect("free"), take("2001:db8::2:0:0:1").expect("free")];
        assert!(take("2001:db8::3").is_none() && take("2001:db8:0:1::3").is_some());
        let _loopback: Vec<ConnectionPermit> = (0..9).map(|_| take("127.0.0.1").expect("never counted")).collect();
        drop((again, mapped));
        assert!(!limit.taken.lock().expect("nobody panicked").contains_key(&"10.0.0.1".parse().expect("an address")));
    }
}
