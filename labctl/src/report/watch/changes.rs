//! What a result has that the one before had not.

use crate::grade::verdict::{CheckResult, ExerciseResult, Verdict};

/// A check whose verdict is another one than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The check.
    pub id: String,
    /// Absent when there was no such check before.
    pub from: Option<Verdict>,
    /// Absent when there is no such check any more.
    pub to: Option<Verdict>,
}

/// The difference between two results of one exercise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Points before and now.
    pub points: (u32, u32),
    /// Points that there were to earn, before and now: what cannot be read or judged is not counted.
    pub max_points: (u32, u32),
    /// In the order of the new result; what has vanished comes last.
    pub checks: Vec<Change>,
}

impl Changes {
    /// Compares two results of one exercise.
    #[must_use]
    pub fn between(before: &ExerciseResult, now: &ExerciseResult) -> Self {
        let find = |checks: &[CheckResult], id: &str| {
            let found = checks.iter().find(|check| check.id == id);
            found.map(|check| check.verdict)
        };
        let mut checks: Vec<Change> = now
            .checks
            .iter()
            .map(|check| Change {
                id: check.id.clone(),
                from: find(&before.checks, &check.id),
                to: Some(check.verdict),
            })
            .filter(|change| change.from != change.to)
            .collect();
        let vanished = before
            .checks
            .iter()
            .filter(|check| find(&now.checks, &check.id).is_none());
        checks.extend(vanished.map(|check| Change {
            id: check.id.clone(),
            from: Some(check.verdict),
            to: None,
        }));
        Self {
            points: (before.points, now.points),
            max_points: (before.max_points, now.max_points),
            checks,
        }
    }

    /// The two results say the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.0 == self.points.1 && self.max_points.0 == self.max_points.1 && self.checks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::sample;
    use super::*;

    fn with(verdicts: &[Verdict]) -> ExerciseResult {
        let mut result = sample::partial().exercises.remove(0).result;
        for (check, verdict) in result.checks.iter_mut().zip(verdicts) {
            check.verdict = *verdict;
        }
        result
    }

    #[test]
    fn a_root_cause_that_is_mended_frees_what_it_blocked() {
        let before = with(&[Verdict::Failed, Verdict::Blocked]);
        let mut now = with(&[Verdict::Passed, Verdict::Failed]);
        now.points = 6;
        let changes = Changes::between(&before, &now);
        assert_eq!(changes.points, (4, 6));
        let told: Vec<_> = changes
            .checks
            .iter()
            .map(|change| (change.id.as_str(), change.from, change.to))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "copy1-is-the-transfer",
                    Some(Verdict::Failed),
                    Some(Verdict::Passed)
                ),
                (
                    "same-kernel-address",
                    Some(Verdict::Blocked),
                    Some(Verdict::Failed)
                ),
            ]
        );
    }

    #[test]
    fn checks_come_and_go() {
        let before = with(&[]);
        let mut now = before.clone();
        let gone = now.checks.remove(0).id;
        now.checks[0].id = "new".to_owned();
        let changes = Changes::between(&before, &now);
        assert_eq!(
            changes.checks[0],
            Change {
                id: "new".to_owned(),
                from: None,
                to: Some(Verdict::Blocked)
            }
        );
        assert!(
            changes.checks[1..]
                .iter()
                .any(|change| change.id == gone && change.to.is_none())
        );
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop::sample::select(vec![
            Verdict::Passed,
            Verdict::Partial,
            Verdict::Failed,
            Verdict::Blocked,
            Verdict::Invalid,
        ])
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_reverse(
            first in prop::collection::vec(verdict(), 4),
            second in prop::collection::vec(verdict(), 4),
        ) {
            let (first, second) = (with(&first), with(&second));
            let there = Changes::between(&first, &second);
            let back = Changes::between(&second, &first);
            prop_assert_eq!(there.checks.len(), back.checks.len());
            for (one, other) in there.checks.iter().zip(&back.checks) {
                prop_assert_eq!((&one.id, one.from, one.to), (&other.id, other.to, other.from));
            }
            prop_assert!(Changes::between(&first, &first).is_empty());
            prop_assert_eq!(there.is_empty(), first.checks == second.checks);
        }
    }
}
