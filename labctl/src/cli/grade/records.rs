//! The small files of a folder of results. They say what was graded, so that it can be gone on with, and put together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::class::{Partition, Standing};
use crate::digest::InputHasher;
use crate::spec::files::CourseFiles;

pub(crate) const VERSION: u32 = 1;

/// `class.json`: what all units have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Class {
    pub(crate) version: u32,
    pub(crate) labctl: String,
    pub(crate) course: String,
    pub(crate) module: String,
    /// In the order of the module.
    pub(crate) exercises: Vec<String>,
    /// By exercise: content address of all files of the course that its verdict rests on.
    pub(crate) definitions: BTreeMap<String, String>,
    /// Absent where no guest is needed.
    pub(crate) kernel: Option<String>,
    pub(crate) image: Option<String>,
    /// Whose seeds: a fingerprint of the course's key, or `workspace`.
    pub(crate) seeds: String,
    /// `2/5`; absent when it is the whole class.
    pub(crate) partition: Option<String>,
    /// The whole class, also those of other parts.
    pub(crate) students: Vec<Member>,
}

/// A student of the class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) section: String,
    pub(crate) listed: bool,
}

/// `student.json`: what was handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handed {
    pub(crate) id: String,
    /// File name in the folder of submissions.
    pub(crate) source: Option<String>,
    pub(crate) commit: Option<String>,
    /// `graded`, `refused`, `missing`.
    pub(crate) standing: String,
    /// Of the files that are graded.
    pub(crate) digest: Option<String>,
    pub(crate) seed: String,
    pub(crate) notes: Vec<String>,
}

/// `unit.json`: what a verdict was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnitRecord {
    pub(crate) key: String,
    /// The verdict, so that a look is enough to see what has to be done again.
    pub(crate) verdict: String,
    /// How often it was tried.
    pub(crate) attempts: u32,
}

impl Class {
    /// The students whose turn it is.
    pub(crate) fn part(&self) -> Vec<&Member> {
        let partition: Option<Partition> = self.partition.as_ref().and_then(|text| text.parse().ok());
        let chosen = partition
            .map(|partition| partition.choose(self.students.iter().map(|member| member.id.as_str())));
        let is_ours = |member: &&Member| chosen.as_ref().is_none_or(|ids| ids.contains(member.id.as_str()));
        self.students.iter().filter(is_ours).collect()
    }

    /// Content address of everything that the verdict of one exercise of one student is made of.
    pub(crate) fn key(&self, handed: &Handed, exercise: &str) -> String {
        let absent = String::new();
        InputHasher::new("class-unit/1")
            .input("labctl", &self.labctl)
            .input("module", &self.module)
            .input("exercise", exercise)
            .input("definition", self.definitions.get(exercise).unwrap_or(&absent))
            .input("kernel", self.kernel.as_ref().unwrap_or(&absent))
            .input("image", self.image.as_ref().unwrap_or(&absent))
            .input("student", &handed.id)
            .input("seed", &handed.seed)
            .input("submission", handed.digest.as_ref().unwrap_or(&absent))
            .finish()
            .to_string()
    }
}

impl Handed {
    pub(crate) fn standing(&self) -> Standing {
        [Standing::Graded, Standing::Refused, Standing::Missing]
            .into_iter()
            .find(|standing| standing.as_str() == self.standing)
            .unwrap_or(Standing::Missing)
    }
}

/// The files that the verdict of an exercise rests on: its own, and what the module's exercises share. Not what only
/// people read, nor the wrong submissions that prove the course.
pub(crate) fn definition(files: &CourseFiles, module: &str, exercise: &str) -> String {
    let folder = format!("labs/{module}/");
    let own = format!("{folder}exercises/{exercise}.yaml");
    let is_part = |path: &str| {
        let below = path.strip_prefix(&folder).unwrap_or(path);
        let shared = !["exercises/", "mutants/", "workspace/"]
            .iter()
            .any(|other| below.starts_with(other));
        path == own || shared && !path.ends_with(".md") && below != "facts.yaml"
    };
    let paths = std::iter::once(crate::spec::course::COURSE_FILE).chain(files.under(&folder));
    let hasher = InputHasher::new("exercise/1");
    paths
        .filter(|path| is_part(path))
        .fold(hasher, |hasher, path| {
            hasher
                .input("path", path)
                .input("bytes", files.get(path).unwrap_or_default())
        })
        .finish()
        .to_string()
}
