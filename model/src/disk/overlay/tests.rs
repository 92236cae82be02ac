//! An overlay does what a disk does, and the disk below stays as it was.

use proptest::prelude::*;

use super::*;
use crate::testing::power_cut::PowerCutDisk;

const FOLDERS: [&str; 3] = ["/a", "/a/b", "/c"];
const FILES: [&str; 6] = ["/a/one", "/a/two", "/a/b/three", "/a/b/four", "/c/five", "/six"];

#[derive(Debug, Clone)]
enum Step {
    CreateFolder(usize),
    RemoveFolder(usize),
    Create(usize),
    Remove(usize),
    Rename(usize, usize),
    Link(usize, usize),
    Write(usize, u64, Vec<u8>),
    Truncate(usize, u64),
    OpenAlone(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (folder, file) = (0..FOLDERS.len(), 0..FILES.len());
    // Around the borders of pages, and within them.
    let place = prop_oneof![0_u64..20, 4086_u64..4106, 8180_u64..8200];
    let bytes = prop_oneof![prop::collection::vec(any::<u8>(), 1..30), (1_usize..9000).prop_map(|n| vec![0; n])];
    prop_oneof![
        folder.clone().prop_map(Step::CreateFolder),
        folder.prop_map(Step::RemoveFolder),
        file.clone().prop_map(Step::Create),
        file.clone().prop_map(Step::Remove),
        (file.clone(), file.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        (file.clone(), file.clone()).prop_map(|(from, to)| Step::Link(from, to)),
        (file.clone(), place.clone(), bytes).prop_map(|(file, at, bytes)| Step::Write(file, at, bytes)),
        (file.clone(), place).prop_map(|(file, length)| Step::Truncate(file, length)),
        file.prop_map(Step::OpenAlone),
    ]
}

fn take(disk: &dyn Disk, step: &Step) -> bool {
    let (folder, file) = (|at: &usize| Path::new(FOLDERS[*at]), |at: &usize| Path::new(FILES[*at]));
    let done = match step {
        Step::CreateFolder(at) => disk.create_folder(folder(at)),
        // A disk of tests removes a folder with everything in it.
        Step::RemoveFolder(at) if disk.list(folder(at)).is_ok_and(|names| !names.is_empty()) => Ok(()),
        Step::RemoveFolder(at) => disk.remove_folder(folder(at)),
        Step::Create(at) => disk.create(file(at)).map(drop),
        Step::Remove(at) => disk.remove(file(at)),
        // A disk need not know what becomes of a file that takes its own place.
        Step::Rename(from, to) if from == to => Ok(()),
        Step::Rename(from, to) => disk.rename(file(from), file(to)),
        Step::Link(from, to) => disk.link(file(from), file(to)),
        Step::Write(at, offset, bytes) => disk.open(file(at)).and_then(|file| file.write_at(*offset, bytes)),
        Step::Truncate(at, length) => disk.open(file(at)).and_then(|file| file.truncate(*length)),
        Step::OpenAlone(at) => disk.open_alone(file(at)).map(drop),
    };
    done.is_ok()
}

/// All that can be seen: the names in each folder, and the content of each file.
type Seen = (Vec<Option<Vec<String>>>, Vec<Option<Vec<u8>>>);

fn all(disk: &dyn Disk) -> Seen {
    let list = |folder: &&str| {
        let mut names = disk.list(Path::new(folder)).ok()?;
        names.sort_unstable();
        Some(names)
    };
    let content = |file: &&str| {
        let about = disk.about(Path::new(file)).ok()?;
        let file = disk.view(Path::new(file)).expect("it is there");
        assert_eq!(about.bytes, file.len().expect("a length"));
        let mut bytes = vec![0xEE; usize::try_from(about.bytes).expect("small")];
        file.read_at(0, &mut bytes).expect("read");
        Some(bytes)
    };
    (FOLDERS.iter().map(list).collect(), FILES.iter().map(content).collect())
}

fn made(steps: &[Step]) -> PowerCutDisk {
    let disk = PowerCutDisk::default();
    ["/a", "/c"].iter().for_each(|folder| disk.create_folder(Path::new(folder)).expect("made"));
    // Two names of one file below are two files above.
    for step in steps.iter().filter(|step| !matches!(step, Step::Link(..))) {
        take(&disk, step);
    }
    disk
}

proptest! {
    #[test]
    fn an_overlay_does_what_a_disk_does(
        before in prop::collection::vec(step(), 0..30),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (disk, below) = (made(&before), made(&before));
        let untouched = all(&below);
        let overlay = OverlayDisk::new(Arc::new(below.clone()));
        for step in &steps {
            let (on_disk, on_overlay) = (take(&disk, step), take(&overlay, step));
            prop_assert_eq!(on_disk, on_overlay, "{:?}", step);
            prop_assert_eq!(all(&disk), all(&overlay), "after {:?}", step);
        }
        overlay.seal();
        let sealed = all(&overlay);
        for step in &steps {
            take(&overlay, step);
        }
        prop_assert_eq!(all(&overlay), sealed);
        prop_assert_eq!(all(&below), untouched);
        // Whatever was used is given back.
        let limits = Arc::clone(&overlay.shared.limits);
        drop(overlay);
        prop_assert_eq!(limits.used(), 0);
    }
}

#[test]
fn a_new_file_is_small_and_the_same_bytes_in_their_place_cost_nothing() {
    let below = PowerCutDisk::default();
    let path = Path::new("/large");
    let bytes = vec![7; 3 << 20];
    below.create(path).expect("made").write_at(0, &bytes).expect("written");
    let overlay = OverlayDisk::new(Arc::new(below));
    let copy = overlay.create(Path::new("/large~new")).expect("made");
    let full = copy.write_at(0, &bytes).expect_err("it is larger than a new file may be");
    assert!(crate::disk::is_full(&full), "{full}");
    overlay.remove(Path::new("/large~new")).expect("removed");
    drop(copy);
    let file = overlay.open(path).expect("it is there");
    file.write_at(0, &bytes).expect("written in its place");
    assert_eq!(overlay.shared.limits.used(), 0);
    file.write_at(5, &[1]).expect("written");
    assert_eq!(overlay.shared.limits.used(), 4096);
    let again = overlay.open(path).expect("it is there");
    let mut found = [0; 3];
    again.read_at(4, &mut found).expect("read");
    assert_eq!(found, [7, 1, 7]);
}
