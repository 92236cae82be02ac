//! The data folder holds records, tables and credentials: it is made for the user who runs the
//! server, and for nobody else. One that is there already keeps the permissions that it has.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

const MODE: u32 = 0o700;

/// Makes the folder, and those around it, where they are missing.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(MODE).create(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_else_can_look_into_it() {
        let scratch = tempfile::tempdir().expect("a folder");
        let data = scratch.path().join("var/data");
        make(&data).expect("made");
        make(&data).expect("it may be there");
        let mode = |folder: &Path| fs::metadata(folder).expect("it is there").permissions().mode() & 0o777;
        assert_eq!([mode(&data), mode(&scratch.path().join("var"))], [MODE, MODE]);

        let mine = scratch.path().join("mine");
        fs::create_dir(&mine).expect("a folder");
        fs::set_permissions(&mine, fs::Permissions::from_mode(0o750)).expect("set");
        make(&mine).expect("it is there");
        assert_eq!(mode(&mine), 0o750, "what somebody has decided stays");
    }
}
