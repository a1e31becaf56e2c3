//! What a CI server or a classroom's runner says in the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::exit::Exit;
use super::failure::Failure;
use crate::report::classroom50::Submission;

/// The variables that describe a submission to Classroom 50's runner, and who is behind a job of GitHub Actions.
const SUBMISSION: [&str; 11] = [
    "CLASSROOM",
    "ASSIGNMENT",
    "ASSIGNMENT_TYPE",
    "OWNER",
    "USERNAME",
    "SUBMISSION_TAG",
    "COMMIT_URL",
    "RELEASE_URL",
    "REVIEW_URL",
    "GITHUB_ACTOR",
    "GITHUB_ACTOR_ID",
];

/// The surroundings of a job; all of it may be absent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ci {
    /// The repository's folder: `GITHUB_WORKSPACE`.
    workspace: Option<PathBuf>,
    /// Where the summary of this step is collected: `GITHUB_STEP_SUMMARY`.
    pub(crate) summary: Option<PathBuf>,
    /// Where the outputs of this step are collected: `GITHUB_OUTPUT`.
    pub(crate) outputs: Option<PathBuf>,
    submission: BTreeMap<&'static str, String>,
}

impl Ci {
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
        let path = |name: &str| set(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            workspace: path("GITHUB_WORKSPACE"),
            summary: path("GITHUB_STEP_SUMMARY"),
            outputs: path("GITHUB_OUTPUT"),
            submission: SUBMISSION
                .into_iter()
                .filter_map(|name| Some((name, set(name)?)))
                .collect(),
        }
    }

    /// `dir` as seen from the repository's folder, or else from the current one: empty when it is the same, `None` when it
    /// lies elsewhere.
    pub(crate) fn in_repository(&self, dir: &Path, current: &Path) -> Option<String> {
        let root = self.workspace.as_deref().unwrap_or(current);
        let root = root.canonicalize().ok()?;
        let dir = dir.canonicalize().ok()?;
        Some(dir.strip_prefix(root).ok()?.to_str()?.to_owned())
    }

    /// The submission that this job grades.
    pub(crate) fn submission(&self, now: SystemTime) -> Result<Submission, Failure> {
        let get = |name: &str| self.submission.get(name).cloned();
        let owner = get("OWNER").or_else(|| get("USERNAME"));
        let needed = [
            ("CLASSROOM", get("CLASSROOM")),
            ("ASSIGNMENT", get("ASSIGNMENT")),
            ("OWNER or USERNAME", owner.clone()),
            ("SUBMISSION_TAG", get("SUBMISSION_TAG")),
            ("COMMIT_URL", get("COMMIT_URL")),
            ("RELEASE_URL", get("RELEASE_URL")),
            ("REVIEW_URL", get("REVIEW_URL")),
        ];
        let missing: Vec<&str> = needed
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| *name)
            .collect();
        if !missing.is_empty() {
            let what = format!("classroom50 needs {} in the environment", missing.join(", "));
            return Err(Failure::new(Exit::Usage, what)
                .hint("Classroom 50's runner sets them; outside of it, set them before labctl"));
        }
        let [classroom, assignment, owner, tag, commit, release, review] =
            needed.map(|(_, value)| value.unwrap_or_default());
        if !tag.starts_with("submit/") {
            let what = format!("SUBMISSION_TAG is `{tag}`, which does not start with `submit/`");
            return Err(
                Failure::new(Exit::Usage, what).hint("a tag looks like submit/2026-06-01T14-32-05Z-a1b2c3d")
            );
        }
        let assignment_type = get("ASSIGNMENT_TYPE").unwrap_or_else(|| "individual".to_owned());
        if !["individual", "group"].contains(&assignment_type.as_str()) {
            let what = format!("ASSIGNMENT_TYPE is `{assignment_type}`");
            return Err(Failure::new(Exit::Usage, what).hint("it is `individual` or `group`"));
        }
        let actor = get("GITHUB_ACTOR").unwrap_or_else(|| owner.clone());
        let number = get("GITHUB_ACTOR_ID")
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        let graded_at = humantime::format_rfc3339_seconds(now).to_string();
        Ok(Submission {
            handed_in: time_of(&tag).unwrap_or_else(|| graded_at.clone()),
            graded_at,
            submitted_by: (actor, number),
            classroom,
            assignment,
            assignment_type,
            owner,
            tag,
            commit,
            release,
            review,
        })
    }
}

/// The time in a tag such as `submit/2026-06-01T14-32-05Z-a1b2c3d`.
fn time_of(tag: &str) -> Option<String> {
    let stamp = tag.strip_prefix("submit/")?.get(..20)?;
    let (date, time) = stamp.split_once('T')?;
    let time = format!("{date}T{}", time.replace('-', ":"));
    humantime::parse_rfc3339(&time).ok()?;
    Some(time)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn classroom(extra: &[(&str, &str)]) -> Ci {
        let set = [
            ("CLASSROOM", "kernel"),
            ("ASSIGNMENT", "module7"),
            ("USERNAME", "alice"),
            ("SUBMISSION_TAG", "submit/2026-06-01T14-32-05Z-a1b2c3d"),
            ("COMMIT_URL", "https://x.example/c"),
            ("RELEASE_URL", "https://x.example/r"),
            ("REVIEW_URL", "https://x.example/v"),
        ];
        Ci::read(|name| {
            let found = extra.iter().chain(&set).find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn a_submission_knows_its_time_and_its_owner() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_324_391);
        let found = classroom(&[("GITHUB_ACTOR", "bob"), ("GITHUB_ACTOR_ID", "42")])
            .submission(now)
            .unwrap();
        assert_eq!(
            (found.owner.as_str(), found.submitted_by),
            ("alice", ("bob".to_owned(), 42))
        );
        assert_eq!(found.handed_in, "2026-06-01T14:32:05Z");
        assert_eq!(found.graded_at, "2026-06-01T14:33:11Z");
        let odd = classroom(&[("SUBMISSION_TAG", "submit/größe-größe-größe")])
            .submission(now)
            .unwrap();
        assert_eq!(odd.handed_in, odd.graded_at);
    }

    #[test]
    fn what_is_missing_is_named() {
        let now = SystemTime::UNIX_EPOCH;
        let failure = classroom(&[("USERNAME", ""), ("COMMIT_URL", " ")])
            .submission(now)
            .unwrap_err();
        assert_eq!(
            failure.headline(),
            "classroom50 needs OWNER or USERNAME, COMMIT_URL in the environment"
        );
        let failure = classroom(&[("SUBMISSION_TAG", "v1")])
            .submission(now)
            .unwrap_err();
        assert!(failure.headline().starts_with("SUBMISSION_TAG is `v1`"));
    }
}
