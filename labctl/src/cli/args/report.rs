//! In which forms a result is wanted.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

/// What `check` does with its results.
#[derive(Debug, Clone, Args)]
pub(crate) struct Reporting {
    /// What is printed: for people, for programs, or for CI.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human, hide_possible_values = true, long_help = FORMATS)]
    pub(crate) format: ReportFormat,
    /// Also write the results into a file, such as `junit=report.xml`; may be given several times.
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    pub(crate) files: Vec<ReportFile>,
    /// End with 0 where exercises were not passed or could not be read: for graders that take that for a crash.
    #[arg(long)]
    pub(crate) exit_zero: bool,
}

const FORMATS: &str = "\
What is printed: human, json (labctl/result/v1), junit, ktap, csv, markdown, gradescope, classroom50, classroom (GitHub \
Classroom's graders), exercism, or github: the text for people with annotations for GitHub Actions, where the summary of \
the step and its outputs `verdict`, `points` and `max-points` are written too.";

/// A form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people.
    Human,
    /// `labctl/result/v1`.
    Json,
    /// JUnit XML.
    Junit,
    /// The kernel's test protocol.
    Ktap,
    /// A row per check.
    Csv,
    /// Tables for a page or a comment.
    Markdown,
    /// Gradescope's `results.json`.
    Gradescope,
    /// Classroom 50's `result.json`.
    Classroom50,
    /// What GitHub Classroom's graders hand on, before base64.
    Classroom,
    /// Exercism's `results.json`, version 3.
    Exercism,
    /// For people, with annotations for GitHub Actions.
    Github,
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportFile {
    pub(crate) format: ReportFormat,
    pub(crate) path: PathBuf,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = || {
            let names: Vec<_> = ReportFormat::value_variants()
                .iter()
                .map(|format| format.name())
                .collect();
            names.join(", ")
        };
        let Some((name, path)) = text.split_once('=') else {
            return Err(format!(
                "this is not FORMAT=FILE, where FORMAT is one of {}",
                all()
            ));
        };
        let format = ReportFormat::from_str(name, false)
            .map_err(|_| format!("`{name}` is no format; there are {}", all()))?;
        if path.is_empty() {
            return Err(format!("no file is named after `{name}=`"));
        }
        if path == "-" {
            return Err(format!("`-` is no file; `--format {name}` prints the result"));
        }
        Ok(Self {
            format,
            path: path.into(),
        })
    }
}

impl ReportFormat {
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_any_name() {
        let file: ReportFile = "junit=a=b.xml".parse().unwrap();
        assert_eq!((file.format, file.path), (ReportFormat::Junit, "a=b.xml".into()));
        for wrong in ["report.xml", "xml=report.xml", "junit=", "junit=-"] {
            wrong.parse::<ReportFile>().unwrap_err();
        }
    }
}
