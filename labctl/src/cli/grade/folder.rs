//! A folder of results: where everything in it lies, and how it is written.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::records::{Class, Handed, UnitRecord, VERSION};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::digest::Digest;
use crate::run_dir::RunDir;

const CLASS: &str = "class.json";

/// A folder of results that this labctl alone works in.
pub(crate) struct Grades {
    pub(crate) path: PathBuf,
    /// As the user wrote it.
    pub(crate) shown: String,
    _lock: std::fs::File,
}

impl Grades {
    /// A new one.
    pub(crate) fn create(context: &Context, path: &Path) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let path = context.settings.absolute(path);
        let in_use = match fs::read_dir(&path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        };
        if in_use {
            let failure = Failure::new(Exit::Usage, format!("{shown} is not empty"));
            return Err(if path.join(CLASS).is_file() {
                failure.hint(format!(
                    "--resume {shown} goes on in it; --output names another folder"
                ))
            } else {
                failure.hint("name a new folder")
            });
        }
        use std::os::unix::fs::DirBuilderExt as _;
        // A class's answers are nobody else's business.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|error| Failure::new(Exit::Host, format!("cannot make {shown}")).because(&error))?;
        Self::open(path, shown)
    }

    /// One that is there, and what it says of its class.
    pub(crate) fn existing(context: &Context, path: &Path) -> Result<(Self, Class), Failure> {
        let shown = path.display().to_string();
        let path = context.settings.absolute(path);
        if !path.join(CLASS).is_file() {
            let what = format!("{shown} is no folder of results: it has no {CLASS}");
            return Err(Failure::new(Exit::Usage, what).hint("`labctl grade DIR` makes one"));
        }
        let class: Class = read(&path.join(CLASS)).ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("{shown}/{CLASS} is damaged")).hint("grade the class again")
        })?;
        if class.version != VERSION {
            let what = format!("{shown} was made by another labctl ({})", class.labctl);
            return Err(Failure::new(Exit::Invalid, what).hint("grade the class again"));
        }
        Ok((Self::open(path, shown)?, class))
    }

    fn open(path: PathBuf, shown: String) -> Result<Self, Failure> {
        use rustix::fs::{FlockOperation, flock};

        let lock = std::fs::File::create(path.join(".lock"))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(
                Failure::new(Exit::Usage, format!("another labctl works in {shown}"))
                    .hint("wait for its end, or stop it"),
            );
        }
        let grades = Self {
            path,
            shown,
            _lock: lock,
        };
        // What a killed labctl had not finished.
        let staging = grades.staging();
        if staging.exists() {
            fs::remove_dir_all(&staging)?;
        }
        fs::create_dir(&staging)?;
        Ok(grades)
    }

    /// Where units are made.
    pub(crate) fn staging(&self) -> PathBuf {
        self.path.join(".staging")
    }

    pub(crate) fn student(&self, id: &str) -> PathBuf {
        self.path.join("students").join(folder_name(id))
    }

    /// The files that are graded.
    pub(crate) fn submission(&self, id: &str) -> PathBuf {
        self.student(id).join("submission")
    }

    /// One exercise of one student.
    pub(crate) fn unit(&self, id: &str, exercise: &str) -> RunDir {
        RunDir::existing(&self.student(id).join("exercises").join(exercise))
    }

    /// The same, relative: for results that are to be the same anywhere.
    pub(crate) fn unit_shown(id: &str, exercise: &str) -> String {
        format!("students/{}/exercises/{exercise}", folder_name(id))
    }

    pub(crate) fn write_class(&self, class: &Class) -> Result<(), Failure> {
        self.write(CLASS, &json(class)?)
    }

    pub(crate) fn handed(&self, id: &str) -> Option<Handed> {
        read(&self.student(id).join("student.json"))
    }

    pub(crate) fn write_handed(&self, handed: &Handed) -> Result<(), Failure> {
        let file = format!("students/{}/student.json", folder_name(&handed.id));
        self.write(&file, &json(handed)?)
    }

    pub(crate) fn unit_record(&self, id: &str, exercise: &str) -> Option<UnitRecord> {
        read(&self.unit(id, exercise).path().join("unit.json"))
    }

    /// Makes a folder that was filled in the staging folder the unit's.
    pub(crate) fn keep_unit(
        &self,
        id: &str,
        exercise: &str,
        made: &Path,
        record: &UnitRecord,
    ) -> Result<(), Failure> {
        fs::write(made.join("unit.json"), json(record)?)?;
        replace(made, self.unit(id, exercise).path())?;
        Ok(())
    }

    /// Makes a folder that was filled in the staging folder the submission.
    pub(crate) fn keep_submission(&self, id: &str, made: &Path) -> Result<(), Failure> {
        Ok(replace(made, &self.submission(id))?)
    }

    /// Writes a file whole or not at all.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        use std::io::Write as _;

        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut new = tempfile::NamedTempFile::new_in(self.staging())?;
        new.write_all(bytes)?;
        new.persist(&path)
            .map_err(|error| Failure::new(Exit::Host, format!("cannot write {name}")).because(&error))?;
        Ok(())
    }
}

impl Drop for Grades {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(self.staging()));
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// A labctl that dies in between leaves nothing, which is done again.
fn replace(made: &Path, place: &Path) -> std::io::Result<()> {
    if let Some(parent) = place.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(made, place)
}

/// Longer names are cut, and told apart by a digest: a file name has 255 bytes at most.
const NAME_MAX: usize = 100;

/// A student's id as the name of a folder: whatever it holds, one plain name, and another one for every other id.
pub(crate) fn folder_name(id: &str) -> String {
    let mut name = String::new();
    for (at, byte) in id.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-' | b'@' | b'+')
            || byte == b'.' && at > 0;
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    if name.len() > NAME_MAX {
        name.truncate(NAME_MAX);
        name.push_str(&format!("%-{}", Digest::of(id.as_bytes()).short()));
    }
    if name.is_empty() { "%".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_a_plain_name_of_its_own() {
        assert_eq!(folder_name("alice.b-c_1@x"), "alice.b-c_1@x");
        assert_eq!(folder_name("../../etc"), "%2e.%2f..%2fetc");
        assert_eq!(folder_name("."), "%2e");
        assert_eq!(folder_name(""), "%");
        assert_eq!(folder_name("%2e"), "%252e");
        assert_eq!(folder_name("a\0\n\u{1b}é"), "a%00%0a%1b%c3%a9");
        let (one, other) = ("é".repeat(300), format!("{}x", "é".repeat(300)));
        assert!(folder_name(&one).len() < 130);
        assert_ne!(folder_name(&one), folder_name(&other));
    }
}
