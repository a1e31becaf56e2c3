//! Who is graded, and what each of them handed in: the folder of submissions against the class's list.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::records::Member;
use crate::class::{Roster, Student};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::submission::{Entry, list};

/// A student with what was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) member: Member,
    /// More than one is one too many.
    pub(crate) sources: Vec<PathBuf>,
    pub(crate) commit: Option<String>,
    /// What the list promises and the folder does not have.
    pub(crate) absent: Option<String>,
}

/// Everybody: the list in its order, then whoever is not on it. `besides` lie among the submissions and are none.
pub(crate) fn candidates(
    dir: &Path,
    shown: &str,
    roster: Option<&Roster>,
    besides: &[&Path],
) -> Result<Vec<Candidate>, Failure> {
    let besides: Vec<PathBuf> = besides
        .iter()
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect();
    let mut entries = list(dir).map_err(|error| {
        let what = format!("the folder of submissions {shown} cannot be read");
        Failure::new(Exit::Usage, what).because(&error)
    })?;
    entries.retain(|entry| fs::canonicalize(&entry.path).map_or(true, |path| !besides.contains(&path)));
    let listed = roster.map_or(&[][..], |roster| &roster.students);
    if entries.is_empty() && listed.is_empty() {
        let what = format!("there are no submissions in {shown}");
        return Err(
            Failure::new(Exit::Usage, what).hint("each student's is a folder, a .zip or a .tar.gz in it")
        );
    }
    let mut used = BTreeSet::new();
    let mut all: Vec<Candidate> = Vec::new();
    for student in listed {
        all.push(listed_one(dir, student, &entries, &mut used));
    }
    let mut ids: BTreeSet<String> = listed.iter().map(|student| student.id.clone()).collect();
    let left: Vec<&Entry> = entries
        .iter()
        .filter(|entry| !used.contains(&entry.path))
        .collect();
    let names: BTreeSet<&str> = left.iter().map(|entry| entry.name.as_str()).collect();
    for name in names {
        // Somebody of the list has this id, and something else was graded for them.
        let id = if ids.contains(name) {
            format!("{name} (not on the list)")
        } else {
            name.to_owned()
        };
        ids.insert(id.clone());
        all.push(Candidate {
            member: Member {
                id,
                name: String::new(),
                email: String::new(),
                section: String::new(),
                listed: roster.is_none(),
            },
            sources: sources(&left, name),
            commit: None,
            absent: None,
        });
    }
    Ok(all)
}

fn sources(entries: &[&Entry], name: &str) -> Vec<PathBuf> {
    let own = entries.iter().filter(|entry| entry.name == name);
    own.map(|entry| entry.path.clone()).collect()
}

fn listed_one(dir: &Path, student: &Student, entries: &[Entry], used: &mut BTreeSet<PathBuf>) -> Candidate {
    let all: Vec<&Entry> = entries.iter().collect();
    let (sources, absent) = match &student.submission {
        Some(path) => {
            let full = dir.join(path);
            if full.symlink_metadata().is_ok() {
                (vec![full], None)
            } else {
                (Vec::new(), Some(format!("its submission `{path}` is not there")))
            }
        }
        None => (sources(&all, &student.id), None),
    };
    used.extend(sources.iter().cloned());
    Candidate {
        member: Member {
            id: student.id.clone(),
            name: student.name.clone(),
            email: student.email.clone(),
            section: student.section.clone(),
            listed: true,
        },
        sources,
        commit: student.commit.clone(),
        absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_row() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["bob.zip", "alice", "stranger.zip", "twice.zip", "grades"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("twice.tar"), "").unwrap();
        fs::write(dir.path().join("bob.tgz"), "").unwrap();
        let text = "id,submission\nzoe,\nbob,\nalice,\nabsent,x.zip\nother,alice\n";
        let roster = Roster::parse("r", text.as_bytes()).unwrap();
        let grades = dir.path().join("grades");
        let all = candidates(dir.path(), "x", Some(&roster), &[&grades]).unwrap();
        let rows: Vec<(&str, usize, bool)> = all
            .iter()
            .map(|one| (one.member.id.as_str(), one.sources.len(), one.member.listed))
            .collect();
        assert_eq!(
            rows,
            [
                ("zoe", 0, true),
                ("bob", 1, true),
                ("alice", 1, true),
                ("absent", 0, true),
                ("other", 1, true),
                ("bob.zip", 1, false),
                ("stranger.zip", 1, false),
                ("twice", 1, false),
                ("twice.zip", 1, false),
            ]
        );
        assert_eq!(
            all[3].absent.as_deref(),
            Some("its submission `x.zip` is not there")
        );
    }
}
