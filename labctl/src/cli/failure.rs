//! A failure as the user reads it: what failed, why, what to do, where to look. The layers below have typed
//! errors of their own; `hints.rs` is the one place that turns them into this.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

use lab_kmsg::sanitize::line as sanitize;

use super::exit::Exit;
use crate::report::safe::disarm;

/// Something that went wrong and is not a verdict.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    causes: Vec<String>,
    hints: Vec<String>,
    excerpt: Vec<String>,
    logs: Option<PathBuf>,
    rerun: Option<String>,
}

impl Failure {
    /// `what` is a sentence fragment in lower case, without a full stop.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            excerpt: Vec::new(),
            logs: None,
            rerun: None,
        }
    }

    /// The error itself becomes the headline, its sources the causes.
    pub(crate) fn from_error(exit: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, error.to_string());
        failure.add_sources(error);
        failure
    }

    fn add_sources(&mut self, error: &dyn Error) {
        let mut next = error.source();
        while let Some(source) = next {
            let text = source.to_string();
            // Some libraries repeat their source in their own message.
            if self.causes.last() != Some(&text) && !self.what.ends_with(&text) {
                self.causes.push(text);
            }
            next = source.source();
        }
    }

    /// The error becomes the first cause, under a headline of the caller's.
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        self.causes.push(error.to_string());
        self.add_sources(error);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The last lines of a log that say more than the error can.
    pub(crate) fn excerpt(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.excerpt.extend(lines);
        self
    }

    pub(crate) fn logs(mut self, path: impl Into<PathBuf>) -> Self {
        self.logs = Some(path.into());
        self
    }

    pub(crate) fn rerun(mut self, command: impl Into<String>) -> Self {
        self.rerun = Some(command.into());
        self
    }

    /// The same end, told as the answer to a request to stop.
    pub(crate) fn interrupted(self) -> Self {
        if self.exit == Exit::Interrupted {
            self
        } else {
            Self::new(Exit::Interrupted, "interrupted")
        }
    }

    /// What failed, without the rest.
    pub(crate) fn headline(&self) -> &str {
        &self.what
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The message for stderr. Everything in it may come from a hostile guest, so all of it is sanitised.
    pub(crate) fn render(&self, colour: bool) -> String {
        let (bold, red, dim, reset) = if colour {
            ("\x1b[1m", "\x1b[1;31m", "\x1b[2m", "\x1b[0m")
        } else {
            ("", "", "", "")
        };
        let mut text = String::new();
        let mut line = |style: &str, label: &str, body: &str| {
            // Continuation lines of one message are indented under it.
            let body = body.lines().map(safe).collect::<Vec<_>>().join("\n           ");
            // Writing to a `String` cannot fail.
            let colon = if label == "|" { "" } else { ":" };
            let _ = writeln!(text, "{style}{label:>9}{colon}{reset} {body}");
        };
        if self.exit == Exit::Interrupted {
            line(bold, "stopped", &self.what);
        } else {
            line(red, "error", &self.what);
        }
        for cause in &self.causes {
            line("", "because", cause);
        }
        for excerpt in &self.excerpt {
            line(dim, "|", excerpt);
        }
        for hint in &self.hints {
            line(bold, "hint", hint);
        }
        if let Some(logs) = &self.logs {
            line("", "logs", &logs.display().to_string());
        }
        if let Some(rerun) = &self.rerun {
            line("", "again", rerun);
        }
        text
    }
}

/// Further lines are indented only, so that a CI server would take a name in one for a command.
fn safe(line: &str) -> String {
    disarm(&sanitize(line.as_bytes(), 2000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot boot")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_name_is_no_command_to_a_ci_server() {
        let text = Failure::new(Exit::Usage, "a\n::error::b is no folder")
            .hint("::notice::c")
            .render(false);
        assert!(text.contains("b is no folder"), "{text}");
        assert!(
            text.lines().all(|line| !line.trim_start().starts_with("::")),
            "{text}"
        );
    }

    #[test]
    fn renders_what_why_and_what_to_do() {
        let error = Outer(std::io::Error::other("no\x1b[2J space"));
        let failure = Failure::from_error(Exit::Host, &error)
            .hint("free some")
            .logs("/x/console.log")
            .rerun("labctl up");
        let text = failure.render(false);
        assert!(!text.contains('\x1b'), "{text}");
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        assert_eq!(lines[0], "error: cannot boot");
        assert!(lines[1].starts_with("because: no"), "{text}");
        assert_eq!(
            lines[2..],
            ["hint: free some", "logs: /x/console.log", "again: labctl up"]
        );
    }
}
