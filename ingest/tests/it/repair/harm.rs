//! What disks do to files: bits flip, sectors are lost, stale or written to the wrong place, files are
//! cut off or gone.

use model::disk::Disk;
use model::name::StreamName;
use model::testing::power_cut::PowerCutDisk;
use rand::Rng;
use rand::rngs::StdRng;

use crate::repair::world::{STREAMS, folder_of, name};

const SECTOR_BYTES: usize = 512;

/// All bytes of a file of a stream; nothing where it is not there.
pub(super) fn bytes_of(disk: &PowerCutDisk, stream: &StreamName, file: &str) -> Option<Vec<u8>> {
    let file = disk.open(&folder_of(stream).join(file)).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    Some(bytes)
}

/// Does one harm; what. One manifest of a stream stays whole.
pub(super) fn harm(disk: &PowerCutDisk, random: &mut StdRng) -> String {
    let stream = name(STREAMS[random.random_range(0..STREAMS.len())]);
    let mut names = disk.list(&folder_of(&stream)).unwrap();
    names.retain(|file| file != if stream.as_str() == "plain" { "manifest" } else { "manifest.copy" });
    names.sort_unstable();
    if names.is_empty() {
        return format!("{stream} has no files left");
    }
    let file = names[random.random_range(0..names.len())].clone();
    let path = folder_of(&stream).join(&file);
    let (bytes, opened) = (bytes_of(disk, &stream, &file).unwrap(), disk.open(&path).unwrap());
    if bytes.is_empty() {
        return format!("{path:?} is empty");
    }
    let at = random.random_range(0..bytes.len());
    let sector = at - at % SECTOR_BYTES;
    let end = bytes.len().min(sector + SECTOR_BYTES);
    let what = match random.random_range(0..12) {
        0 => {
            disk.remove(&path).unwrap();
            "lost"
        }
        1 => {
            opened.truncate(at as u64).unwrap();
            "cut off"
        }
        2 | 3 => {
            opened.write_at(sector as u64, &vec![0; end - sector]).unwrap();
            "sector lost"
        }
        4 | 5 => {
            let other = random.random_range(0..bytes.len()) / SECTOR_BYTES * SECTOR_BYTES;
            let from = &bytes[other..bytes.len().min(other + end - sector)];
            opened.write_at(sector as u64, from).unwrap();
            "sector of another place"
        }
        6 => {
            let others: Vec<_> = STREAMS.map(name).into_iter().filter_map(|s| bytes_of(disk, &s, &file)).collect();
            let other = &others[random.random_range(0..others.len())];
            let from = other.get(sector..end).unwrap_or(&[7; 40]);
            opened.write_at(sector as u64, &from[..from.len().min(end - sector)]).unwrap();
            "sector of another stream"
        }
        _ => {
            disk.flip_bit(&path, at * 8 + random.random_range(0..8)).unwrap();
            "bit flipped"
        }
    };
    format!("{path:?}: {what} at {at}")
}
