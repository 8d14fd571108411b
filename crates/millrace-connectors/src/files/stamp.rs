//! Stamps of files: texts that change whenever a file changes, so that an unchanged file is
//! recognized without reading it.
//!
//! A file system counts time in ticks, so two changes within one tick may leave the same stamp. A
//! stamp is therefore used only if the last change of the file is older than a tick; how long that
//! is, the digits of its time show.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// The coarsest clock of a file system (FAT): two changes within two seconds may leave the same
/// time.
const COARSE: Duration = Duration::from_secs(2);
/// More than one tick of a file system that counts in less than hundredths of a second. The clock
/// of a kernel ticks a hundred times a second or more.
const FINE: Duration = Duration::from_millis(100);
/// Nanoseconds of a hundredth of a second. Times are multiples of it on a file system that counts
/// in hundredths (exFAT) or coarser.
const HUNDREDTH: u32 = 10_000_000;

/// The stamp of a file: when it was changed, and which file it is. On Unix it includes the time of
/// the last change of the inode (`st_ctime`), which, unlike the modification time, no program can
/// set back.
///
/// Returns `None` if the system does not tell, or if a time is before 1970.
pub(crate) fn of(metadata: &Metadata) -> Option<String> {
    let (modified, changed, number) = parts(metadata)?;
    let nanos = |time: SystemTime| Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_nanos());
    Some(format!("{}/{}/{number}", nanos(modified)?, nanos(changed)?))
}

/// The stamp of a file that is about to be read. Returns `None` if the file was changed so shortly
/// before `now` that one more change may leave the same stamp.
pub(crate) fn settled(metadata: &Metadata, now: SystemTime) -> Option<String> {
    let (modified, changed, _) = parts(metadata)?;
    // A time in the future proves nothing either.
    let age = now.duration_since(modified.max(changed)).ok()?;
    if age > tick(changed) { of(metadata) } else { None }
}

/// The longest time within which a second change may get the same stamp as the change at `changed`.
fn tick(changed: SystemTime) -> Duration {
    let part = changed.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    if part.is_multiple_of(HUNDREDTH) { COARSE } else { FINE }
}

/// The modification time, the time of the last change, and device and inode.
#[cfg(unix)]
fn parts(metadata: &Metadata) -> Option<(SystemTime, SystemTime, String)> {
    use std::os::unix::fs::MetadataExt as _;

    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u64::try_from(metadata.ctime_nsec()).ok()?;
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanos);
    Some((metadata.modified().ok()?, changed, format!("{}:{}", metadata.dev(), metadata.ino())))
}

/// The modification time, twice, because other systems tell neither a change time nor an inode.
#[cfg(not(unix))]
fn parts(metadata: &Metadata) -> Option<(SystemTime, SystemTime, String)> {
    let modified = metadata.modified().ok()?;
    Some((modified, modified, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_come_to_rest_has_a_stamp() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "one").expect("written");
        let metadata = std::fs::metadata(&path).expect("a file");
        let (modified, changed, _) = parts(&metadata).expect("times");
        let written = modified.max(changed);
        assert_eq!(settled(&metadata, written + Duration::from_millis(50)), None, "a moment ago");
        assert_eq!(settled(&metadata, written - Duration::from_hours(1)), None, "of the future");
        assert_eq!(settled(&metadata, written + Duration::from_secs(3)), of(&metadata));
        assert!(of(&metadata).is_some());
    }

    #[test]
    fn times_tell_how_a_file_system_counts() {
        let at = |nanos| SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, nanos);
        for coarse in [0, 10_000_000, 990_000_000] {
            assert_eq!(tick(at(coarse)), COARSE, "{coarse}");
        }
        for fine in [1, 4_000_000, 123_456_700, 999_999_999] {
            assert_eq!(tick(at(fine)), FINE, "{fine}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn another_file_with_the_same_time_and_size_has_another_stamp() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        std::fs::write(&path, "one").expect("written");
        let before = std::fs::metadata(&path).expect("a file");
        let other = folder.path().join("b");
        let file = std::fs::File::create(&other).expect("made");
        std::io::Write::write_all(&mut &file, b"two").expect("written");
        file.set_modified(before.modified().expect("a time")).expect("set back");
        std::fs::rename(&other, &path).expect("renamed");
        let after = std::fs::metadata(&path).expect("a file");
        assert_eq!((after.len(), after.modified().ok()), (before.len(), before.modified().ok()));
        assert_ne!(of(&after), of(&before));
    }
}
