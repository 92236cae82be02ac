//! The inputs that fuzzing has found worth keeping: `fuzz/corpus/TARGET/`, one file each.

use std::path::Path;

/// Hands every input of `target` to `check`; says which one it was when that panics.
///
/// # Panics
///
/// When there is no such corpus, or none of its files.
pub fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("the folder can be read").path();
        let input = std::fs::read(&path).expect("the file can be read");
        let replayed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&input)));
        if let Err(panic) = replayed {
            eprintln!("input {}", path.display());
            std::panic::resume_unwind(panic);
        }
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}
