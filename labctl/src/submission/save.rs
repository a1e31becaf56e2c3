//! What was graded, kept as plain files beside the evidence.

use std::io;
use std::path::Path;

use fs_err as fs;

use super::intake::{Collector, Intake, Limits};
use super::path::{FOLDERS, MARK};

/// Writes the files of an intake below `dir`, which does not exist yet. Their paths are plain: [`Intake`] holds no other.
///
/// # Errors
/// Those of the disk.
pub fn save(intake: &Intake, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (path, bytes) in &intake.files {
        let path = dir.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// Reads what [`save`] wrote.
///
/// # Errors
/// Those of the disk.
pub fn load(dir: &Path) -> io::Result<Intake> {
    let limits = Limits::default();
    let mut collector = Collector::new(&limits);
    let mut paths = vec![MARK.to_owned()];
    for folder in FOLDERS {
        let path = dir.join(folder);
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                paths.push(format!("{folder}/{}", entry?.file_name().to_string_lossy()));
            }
        }
    }
    for path in paths {
        if let Some(place) = collector.wanted(path.as_bytes())
            && dir.join(&path).is_file()
        {
            let file = fs::File::open(dir.join(&path))?;
            collector.keep(place, file).map_err(io::Error::other)?;
        }
    }
    collector.finish().map_err(io::Error::other)
}
