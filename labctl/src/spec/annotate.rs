//! One annotated source, two files: the skeleton that a student begins with, and the solution.
//!
//! ```c
//! static int handler(struct kprobe *p, struct pt_regs *regs)
//! {
//!     //@ todo
//!     //@ /* TODO: print the address */
//!     //@ solution
//!     pr_info("%px\n", (void *)regs->di);
//!     //@ end
//!     return 0;
//! }
//! ```
//! Between `todo` and `solution` stand the skeleton's lines, each behind `//@ ` (`#@ ` in scripts), so the annotated file is
//! itself a program that compiles: the solution with comments.

use super::error::SpecErrors;
use super::yaml::Source;

/// The two readings of an annotated source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotated {
    /// What `init` writes.
    pub skeleton: String,
    /// What `--reference` grades.
    pub solution: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Region {
    Both,
    Todo(usize),
    Solution(usize),
}

/// Splits an annotated source.
///
/// # Errors
/// Markers that do not pair up, and unmarked lines between `todo` and `solution`, each with its line.
pub fn split(source: &Source) -> Result<Annotated, SpecErrors> {
    let mut out = Annotated {
        skeleton: String::new(),
        solution: String::new(),
    };
    let mut errors = Vec::new();
    let mut region = Region::Both;
    for (index, line) in source.text().lines().enumerate() {
        let number = index + 1;
        let mut wrong = |what: &str| errors.push(source.error(number as u64, 1, what));
        match (marker(line), region) {
            (Some((_, "todo")), Region::Both) => region = Region::Todo(number),
            (Some((_, "solution")), Region::Todo(_)) => region = Region::Solution(number),
            (Some((_, "end")), Region::Todo(_) | Region::Solution(_)) => region = Region::Both,
            (Some((_, "todo" | "solution" | "end")), _) => {
                wrong("a marker out of turn: todo, solution, end is the order")
            }
            (Some((indent, text)), Region::Todo(_)) => push(&mut out.skeleton, &[indent, text]),
            (Some(_), _) => wrong("only a skeleton's lines, between todo and solution, are marked"),
            (None, Region::Todo(_)) => wrong("a skeleton's line has to be marked, or `end` is missing"),
            (None, Region::Solution(_)) => push(&mut out.solution, &[line]),
            (None, Region::Both) => {
                push(&mut out.skeleton, &[line]);
                push(&mut out.solution, &[line]);
            }
        }
    }
    if let Region::Todo(line) | Region::Solution(line) = region {
        errors.push(source.error(line as u64, 1, "this region has no `end`"));
    }
    SpecErrors::check(errors, out)
}

/// The indentation and the text of a marked line.
fn marker(line: &str) -> Option<(&str, &str)> {
    let trimmed = line.trim_start();
    let indent = &line[..line.len() - trimmed.len()];
    let text = trimmed
        .strip_prefix("//@")
        .or_else(|| trimmed.strip_prefix("#@"))?;
    Some((indent, text.strip_prefix(' ').unwrap_or(text).trim_end()))
}

fn push(out: &mut String, parts: &[&str]) {
    let line: String = parts.concat();
    out.push_str(line.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_readings() {
        let source = Source::new(
            "a.c",
            "int f(void)\n{\n\t//@ todo\n\t//@ /* TODO */\n\t//@\n\t//@ return 0;\n\t//@ solution\n\treturn 1;\n\t//@ end\n}\n",
        );
        let both = split(&source).unwrap();
        assert_eq!(both.skeleton, "int f(void)\n{\n\t/* TODO */\n\n\treturn 0;\n}\n");
        assert_eq!(both.solution, "int f(void)\n{\n\treturn 1;\n}\n");
    }

    #[test]
    fn unpaired_markers_have_their_line() {
        for (text, line) in [
            ("//@ solution\n", 1),
            ("//@ todo\nx\n//@ end\n", 2),
            ("a\n//@ todo\n//@ solution\n", 3),
            ("//@ stray\n", 1),
            ("//@ end\n", 1),
        ] {
            let errors = split(&Source::new("a.c", text)).unwrap_err();
            assert_eq!(errors.as_slice()[0].line, line, "{text}: {errors}");
        }
    }
}
