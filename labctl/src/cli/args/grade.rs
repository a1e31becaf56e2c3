//! `labctl grade` and `labctl merge`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Shape;
use crate::class::Partition;

pub(super) const GRADE_HELP: &str = "\
A submission is a folder, a .zip, a .tar, a .tar.gz or a bare git repository, named like its student. It is read into
memory, never unpacked or followed, and graded in guests of its own.

The results' folder gets results.csv, results.json, similarity.json, and for every student what was graded and the
evidence of every verdict. Nothing in results.csv depends on when or where it was made.

Exit status:
    0  every student has a row of verdicts, whatever they say
    5  some rows are inconclusive: the infrastructure failed; --resume tries those again";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClassFormat {
    Human,
    Json,
    Csv,
    Markdown,
}

#[derive(Debug, Args)]
pub struct Grade {
    /// A folder with one submission for each student.
    #[arg(value_name = "DIR", required_unless_present = "regrade")]
    pub submissions: Option<PathBuf>,
    /// An exercise, or a module for all of its exercises; by default the course's only module.
    #[arg(long = "exercise", value_name = "NAME")]
    pub exercises: Vec<String>,
    /// The list of the class: CSV with a column `id`, `username` or `student`, and perhaps `name`, `email`, `section`,
    /// `submission` (a path in DIR) and `commit`. Everybody on it gets a row.
    #[arg(long, value_name = "FILE")]
    pub roster: Option<PathBuf>,
    /// Where results and evidence go: a new folder.
    #[arg(long, value_name = "DIR", default_value = "grades", conflicts_with_all = ["resume", "regrade"])]
    pub output: PathBuf,
    /// Go on in a folder of results: only what is missing, inconclusive or changed is graded.
    #[arg(long, value_name = "DIR", conflicts_with = "regrade")]
    pub resume: Option<PathBuf>,
    /// Judge the evidence in a folder of results again, without a guest: after rules were changed.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["submissions", "roster", "partition", "exercises"])]
    pub regrade: Option<PathBuf>,
    /// How many to grade at once, as far as memory goes; by default one for each processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,
    /// Only one of N equal parts of the class, I from 1 to N; `labctl merge` puts the parts together.
    #[arg(long, value_name = "I/N")]
    pub partition: Option<Partition>,
    /// The secret that every student's own seed is derived from. Whatever seed a workspace asks for counts no more.
    #[arg(
        long,
        value_name = "FILE",
        env = "LABCTL_COURSE_KEY_FILE",
        hide_env_values = true
    )]
    pub course_key: Option<PathBuf>,
    #[command(flatten)]
    pub shape: Shape,
    /// For people, for programs, for a gradebook, or for a page.
    #[arg(long, value_enum, default_value_t = ClassFormat::Human)]
    pub format: ClassFormat,
}

#[derive(Debug, Args)]
pub struct Merge {
    /// Where the whole class's results go: a new folder.
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// The folders of results of its parts.
    #[arg(value_name = "IN", required = true)]
    pub parts: Vec<PathBuf>,
    /// For people, for programs, for a gradebook, or for a page.
    #[arg(long, value_enum, default_value_t = ClassFormat::Human)]
    pub format: ClassFormat,
}
