//! The outcome of one check while the graph is evaluated.

use std::collections::BTreeMap;

use super::verdict::{CheckResult, Verdict};

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Outcome {
    pub(super) verdict: Option<Verdict>,
    pub(super) message: String,
    pub(super) expected: Option<String>,
    pub(super) actual: Option<String>,
    pub(super) mistake: Option<String>,
    pub(super) help: Option<String>,
    /// For `Blocked`: the check in the way, which may be blocked itself.
    pub(super) parent: Option<String>,
}

impl Outcome {
    pub(super) fn passed(message: impl Into<String>) -> Self {
        Self {
            verdict: Some(Verdict::Passed),
            message: message.into(),
            ..Self::default()
        }
    }

    pub(super) fn failed(message: impl Into<String>, help: impl Into<String>) -> Self {
        let help = Some(help.into()).filter(|help| !help.is_empty());
        Self {
            verdict: Some(Verdict::Failed),
            message: message.into(),
            help,
            ..Self::default()
        }
    }

    pub(super) fn invalid(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            verdict: Some(Verdict::Invalid),
            ..Self::failed(message, help)
        }
    }

    pub(super) fn inconclusive(message: impl Into<String>) -> Self {
        let help = "this is the laboratory's failure, not yours: run the check again";
        Self {
            verdict: Some(Verdict::Inconclusive),
            ..Self::failed(message, help)
        }
    }

    pub(super) fn blocked(parent: impl Into<String>) -> Self {
        Self {
            verdict: Some(Verdict::Blocked),
            parent: Some(parent.into()),
            ..Self::default()
        }
    }

    pub(super) fn mistake(mut self, id: &str) -> Self {
        self.mistake = Some(id.to_owned());
        self
    }
}

/// The checks of an exercise as far as they have been judged.
#[derive(Debug, Default)]
pub(super) struct Board {
    results: Vec<CheckResult>,
    index: BTreeMap<String, usize>,
    parents: BTreeMap<String, String>,
}

impl Board {
    /// Records an outcome. Points are given for `Passed` only.
    pub(super) fn add(&mut self, id: &str, title: &str, max_points: u32, outcome: Outcome) {
        let verdict = outcome.verdict.unwrap_or(Verdict::Inconclusive);
        if let Some(parent) = outcome.parent {
            self.parents.insert(id.to_owned(), parent);
        }
        self.index.insert(id.to_owned(), self.results.len());
        self.results.push(CheckResult {
            id: id.to_owned(),
            position: self.results.len(),
            title: title.to_owned(),
            verdict,
            points: if verdict == Verdict::Passed { max_points } else { 0 },
            max_points,
            message: outcome.message,
            expected: outcome.expected,
            actual: outcome.actual,
            mistake: outcome.mistake,
            help: outcome.help,
            blocked_by: None,
        });
    }

    /// The verdict of a check that was judged.
    pub(super) fn verdict(&self, id: &str) -> Option<Verdict> {
        self.index.get(id).map(|index| self.results[*index].verdict)
    }

    /// The first of `ids` that was judged and did not pass.
    pub(super) fn obstacle<'i>(&self, ids: impl IntoIterator<Item = &'i str>) -> Option<&'i str> {
        ids.into_iter()
            .find(|id| self.verdict(id).is_some_and(|verdict| verdict != Verdict::Passed))
    }

    /// All results: blocked ones name their root cause, and causes that block others come first.
    pub(super) fn finish(mut self) -> Vec<CheckResult> {
        let roots: Vec<Option<String>> = self
            .results
            .iter()
            .map(|result| self.parents.get(&result.id).map(|parent| self.root(parent)))
            .collect();
        for (result, root) in self.results.iter_mut().zip(&roots) {
            if let Some(root) = root {
                result.message = format!("not judged, because `{root}` did not pass");
                result.blocked_by = Some(root.clone());
            }
        }
        let is_root = |result: &CheckResult| roots.iter().flatten().any(|root| *root == result.id);
        let (mut first, rest): (Vec<_>, Vec<_>) = self.results.into_iter().partition(is_root);
        first.extend(rest);
        first
    }

    /// Follows parents to a check that is not blocked. Parents always point to checks of another kind further up, so this
    /// ends; the bound only guards against a mistake in that.
    fn root(&self, id: &str) -> String {
        let mut at = id;
        for _ in 0..self.parents.len() {
            match self.parents.get(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_cause_leads() {
        let mut board = Board::default();
        board.add("fine", "", 1, Outcome::passed("ok"));
        board.add("builds", "", 0, Outcome::failed("no", ""));
        board.add("loads", "", 0, Outcome::blocked("builds"));
        board.add("rule", "", 2, Outcome::blocked("loads"));
        let results = board.finish();
        let ids: Vec<&str> = results.iter().map(|result| result.id.as_str()).collect();
        assert_eq!(ids, ["builds", "fine", "loads", "rule"]);
        assert_eq!(results[3].blocked_by.as_deref(), Some("builds"));
        assert_eq!(results[3].points, 0);
    }
}
