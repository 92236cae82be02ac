//! Ethernet, IPv4 and UDP around a datagram, read in place.

use std::net::Ipv4Addr;

const ETHERNET_BYTES: usize = 14;
const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const UDP_PROTOCOL: u8 = 17;

/// A UDP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) from: Ipv4Addr,
    pub(super) port: u16,
    pub(super) payload: &'a [u8],
}

/// Reads a frame that the steering program redirected; none if lengths or checksum are wrong, as the kernel would find.
///
/// A checksum of zero is none. One that holds the pseudo header alone is left to the hardware by a sender on this machine,
/// as over veth: that is as good as none.
pub(super) fn read(frame: &[u8]) -> Option<Packet<'_>> {
    let packet = frame.get(ETHERNET_BYTES..)?;
    let header: &[u8; IPV4_BYTES] = packet.first_chunk()?;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] != 0x45 || header[9] != UDP_PROTOCOL || total > packet.len() {
        return None;
    }
    let datagram = packet.get(IPV4_BYTES..total)?;
    let udp: &[u8; UDP_BYTES] = datagram.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
    let datagram = datagram.get(..length)?;
    let payload = datagram.get(UDP_BYTES..)?;
    let checksum = u16::from_be_bytes([udp[6], udp[7]]);
    if checksum != 0 {
        let pseudo = sum(&header[12..20]) + u64::from(UDP_PROTOCOL) + length as u64;
        if checksum != folded(pseudo) && folded(pseudo + sum(datagram)) != 0xffff {
            return None;
        }
    }
    let from = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
    Some(Packet { from, port: u16::from_be_bytes([udp[2], udp[3]]), payload })
}

/// The sum of all numbers of two bytes, in network order; an odd byte at the end counts as the high one.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    // Numbers of four bytes: their halves meet when the sum is folded.
    let sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_be_bytes(last))
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8], checksum: impl FnOnce(u64, &[u8]) -> u16) -> Vec<u8> {
        let (udp, total) = (8 + payload.len() as u16, 28 + payload.len() as u16);
        let mut frame = vec![0; ETHERNET_BYTES];
        frame.extend([0x45, 0]);
        frame.extend(total.to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 8, 7, 10, 0, 0, 2]);
        let header = frame[ETHERNET_BYTES..].to_vec();
        let mut datagram = [1024u16.to_be_bytes(), 9000u16.to_be_bytes(), udp.to_be_bytes(), [0, 0]].concat();
        datagram.extend(payload);
        let pseudo = sum(&header[12..20]) + 17 + u64::from(udp);
        let checksum = checksum(pseudo, &datagram);
        datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
        frame.extend(datagram);
        frame
    }

    #[test]
    fn a_packet_is_read_with_padding_and_any_right_checksum() {
        for length in 0..40 {
            let payload: Vec<u8> = (0..length).map(|at: u8| at.wrapping_mul(37)).collect();
            let right = frame(&payload, |pseudo, datagram| !folded(pseudo + sum(datagram)));
            let partial = frame(&payload, |pseudo, _| folded(pseudo));
            let none = frame(&payload, |_, _| 0);
            for mut frame in [right, partial, none] {
                frame.extend([0; 10]);
                let packet = read(&frame).expect("a right packet");
                assert_eq!((packet.from, packet.port), (Ipv4Addr::new(10, 9, 8, 7), 9000));
                assert_eq!(packet.payload, payload);
            }
        }
    }

    #[test]
    fn what_was_cut_or_changed_on_the_way_is_none() {
        let right = frame(&[1, 2, 3, 4, 5], |pseudo, datagram| !folded(pseudo + sum(datagram)));
        for end in 0..right.len() {
            assert_eq!(read(&right[..end]), None, "{end} bytes");
        }
        for at in 26..right.len() {
            // The sender's port is in the sum, too; the checksum itself becomes a wrong one.
            let mut changed = right.clone();
            changed[at] ^= 0x10;
            assert_eq!(read(&changed), None, "byte {at}");
        }
        let mut longer = right.clone();
        longer[39] += 1;
        assert_eq!(read(&longer), None);
    }
}
