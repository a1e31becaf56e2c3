//! Work that looks like somebody else's, for a person to look at. Pure, and never part of a verdict.
//!
//! Two things are looked for: sources that stay nearly equal when names, comments and layout are taken away, and
//! answers that belong to another student's numbers.

mod answers;
mod sources;
mod tokens;

use std::collections::BTreeMap;

pub use answers::Answer;
pub use answers::SharedAnswer;
pub use sources::SharedSource;

/// What is known of one student's work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    pub id: String,
    pub seed: String,
    /// C, by path in the workspace.
    pub sources: BTreeMap<String, String>,
    pub answers: Vec<Answer>,
}

/// Two students whose work has something in common that the others' has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub one: String,
    pub other: String,
    pub sources: Vec<SharedSource>,
    pub answers: Vec<SharedAnswer>,
}

impl Pair {
    /// To put first what is to be looked at first.
    fn weight(&self) -> u32 {
        let sources = self
            .sources
            .iter()
            .map(|shared| shared.percent)
            .max()
            .unwrap_or(0);
        let answers = u32::try_from(self.answers.len()).unwrap_or(u32::MAX);
        answers.saturating_mul(100).saturating_add(sources)
    }
}

/// All pairs that stand out, the most alike first. `given` are the sources that everybody began with.
#[must_use]
pub fn pairs(works: &[Work], given: &BTreeMap<String, String>) -> Vec<Pair> {
    let prints = sources::Prints::of(works, given);
    let answers = answers::Index::of(works);
    let mut pairs = Vec::new();
    for (at, one) in works.iter().enumerate() {
        for (offset, other) in works[at + 1..].iter().enumerate() {
            let pair = Pair {
                one: one.id.clone(),
                other: other.id.clone(),
                sources: prints.shared(at, at + 1 + offset),
                answers: answers.shared(one, other),
            };
            if pair.weight() > 0 {
                pairs.push(pair);
            }
        }
    }
    pairs.sort_by(|one, other| {
        let names = |pair: &Pair| (pair.one.clone(), pair.other.clone());
        (other.weight(), names(one)).cmp(&(one.weight(), names(other)))
    });
    pairs
}

/// What more students than this have in common is what the lesson taught them: a tenth of the class, and four at least.
fn common_above(students: usize) -> usize {
    (students / 10).max(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "#include <linux/module.h>\nstatic int before(struct kprobe *p, struct pt_regs *regs)\n{\n\t/* TODO */\n\treturn 0;\n}\n";

    fn work(id: &str, seed: &str, source: &str, answers: &[(&str, &str, bool)]) -> Work {
        Work {
            id: id.to_owned(),
            seed: seed.to_owned(),
            sources: BTreeMap::from([("src/a.c".to_owned(), source.to_owned())]),
            answers: answers
                .iter()
                .map(|(check, value, right)| Answer {
                    check: (*check).to_owned(),
                    value: (*value).to_owned(),
                    right: *right,
                })
                .collect(),
        }
    }

    fn given() -> BTreeMap<String, String> {
        BTreeMap::from([("src/a.c".to_owned(), GIVEN.to_owned())])
    }

    fn body(code: &str) -> String {
        GIVEN.replace("/* TODO */", code)
    }

    #[test]
    fn renamed_and_reformatted_is_still_the_same() {
        let code = "for (int i = 0; i < 5; i++) { if (regs->di > limit && (i & 1)) total += regs->si ^ i; else count[i % 3]--; }\n while (total > 100) { total = total / 2 - 1; log(total, i); }";
        let renamed = code
            .replace("total", "sum")
            .replace(" i", " k")
            .replace("; ", ";\n\t\t/* mine */ ");
        let other = "u64 a = regs->di; u64 b = regs->si; if (!strcmp(current->comm, \"x\")) pr_info(\"%llx %llu\", a, b); return a ? b : 0; switch (a) { case 1: b = 2; break; default: b--; }";
        let works = [
            work("a", "1", &body(code), &[]),
            work("b", "2", &body(&renamed), &[]),
            work("c", "3", &body(other), &[]),
            work("d", "4", GIVEN, &[]),
            work("e", "5", GIVEN, &[]),
        ];
        let found = pairs(&works, &given());
        let names: Vec<_> = found
            .iter()
            .map(|pair| (pair.one.as_str(), pair.other.as_str()))
            .collect();
        assert_eq!(names, [("a", "b")]);
        assert!(found[0].sources[0].percent >= 80, "{found:?}");
    }

    #[test]
    fn what_everybody_writes_stands_out_in_nobody() {
        let code = "if (strcmp(current->comm, TRACED) != 0) return 0; pr_info(\"%d %px %zu\", current->pid, (void *)regs->di, regs->si); count += 1; last = regs->di;";
        let works: Vec<_> = (0..6)
            .map(|at| work(&at.to_string(), "s", &body(code), &[]))
            .collect();
        assert_eq!(pairs(&works, &given()), []);
    }

    #[test]
    fn an_answer_to_somebody_elses_numbers() {
        let works = [
            work(
                "a",
                "1",
                "",
                &[("kernel", "0xffff888112340050", true), ("copies", "2", true)],
            ),
            work(
                "b",
                "2",
                "",
                &[("kernel", "0xffff888112340050", false), ("copies", "2", false)],
            ),
            work("c", "3", "", &[("kernel", "0xffff888100000000", false)]),
            work("d", "1", "", &[("kernel", "0xffff888112340050", true)]),
        ];
        let found = pairs(&works, &BTreeMap::new());
        let names: Vec<_> = found
            .iter()
            .map(|pair| (pair.one.as_str(), pair.other.as_str()))
            .collect();
        assert_eq!(names, [("a", "b"), ("b", "d")]);
        assert_eq!(found[0].answers[0].check, "kernel");
        assert!(found[0].answers[0].right_for_one);
    }
}
