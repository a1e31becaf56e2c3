//! Results for a person at a terminal, or reading a log of one.
//!
//! Everything can be read without colour. What went wrong first comes first; what it blocked follows.

use anstyle::{AnsiColor, Style};

use super::figure;
use super::page::Page;
use super::safe;
use super::wrap::{clip, pad, width, wrap};
use crate::grade::results::{GradedExercise, Results};
use crate::grade::verdict::{CheckResult, Finding, Verdict};

/// How to show results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Columns of the terminal; what is below 40 counts as 40.
    pub width: usize,
    /// Whether to use ANSI styles.
    pub colour: bool,
    /// How many recorded lines to quote for each finding.
    pub quote: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            width: 100,
            colour: false,
            quote: 8,
        }
    }
}

/// `inconclusive` is the longest verdict.
const VERDICT_WIDTH: usize = 12;

/// An id that is longer pushes its title to the next line.
const ID_MAX: usize = 28;

/// The results, as lines that each end with a line break.
pub fn render(results: &Results, options: &Options) -> String {
    let mut human = Human {
        page: Page::new(options.width, options.colour),
        quote: options.quote,
    };
    for exercise in &results.exercises {
        human.exercise(&results.module, exercise);
        human.page.line("");
    }
    human.total(results);
    human.page.into_string()
}

struct Human {
    page: Page,
    quote: usize,
}

impl Human {
    fn exercise(&mut self, module: &str, exercise: &GradedExercise) {
        let result = &exercise.result;
        let name = format!("{}/{}", safe::line(module), safe::line(&result.id));
        let score = format!("{}/{}", result.points, result.max_points);
        let verdict = self
            .page
            .styled(result.verdict.as_str(), verdict_style(result.verdict));
        let bold = self.page.styled(&name, Style::new().bold());
        self.page.line(&format!("{bold}  {verdict}  {score} points"));
        self.page
            .paragraph(0, "", &safe::line(&result.title), Style::new());
        self.checks(&result.checks);
        for finding in &result.findings {
            self.finding(finding);
        }
        for figure in &result.figures {
            figure::show(&mut self.page, figure);
        }
        if let Some(run_dir) = &exercise.run_dir {
            // Never broken: it is there to be copied.
            let run_dir = safe::line(run_dir);
            let label = self.page.styled("evidence", Style::new().dimmed());
            self.page.line(&format!("  {label}  {run_dir}"));
        }
    }

    fn checks(&mut self, checks: &[CheckResult]) {
        let score = |check: &CheckResult| format!("{}/{}", check.points, check.max_points);
        let columns = Columns {
            score: checks.iter().map(|check| width(&score(check))).max().unwrap_or(0),
            id: checks
                .iter()
                .map(|check| width(&safe::line(&check.id)).min(ID_MAX))
                .max()
                .unwrap_or(0),
        };
        for check in checks {
            self.check(check, &score(check), &columns);
        }
    }

    fn check(&mut self, check: &CheckResult, score: &str, columns: &Columns) {
        let id = safe::line(&check.id);
        let title = match (&check.verdict, &check.blocked_by) {
            (Verdict::Blocked, Some(by)) => {
                format!("{} (needs {})", safe::line(&check.title), safe::line(by))
            }
            _ => safe::line(&check.title),
        };
        let verdict = pad(check.verdict.as_str(), VERDICT_WIDTH);
        let verdict = self.page.styled(&verdict, verdict_style(check.verdict));
        let score = format!(
            "{}{score}",
            " ".repeat(columns.score.saturating_sub(width(score)))
        );
        let left = columns.left();
        let start = format!("  {verdict}  {score}  ");
        if width(&id) <= ID_MAX && self.page.width >= left + 24 {
            let mut lines = wrap(&title, self.page.width - left).into_iter();
            let first = lines.next().unwrap_or_default();
            self.page
                .line(&format!("{start}{}  {first}", pad(&id, columns.id)));
            for more in lines {
                self.page.line(&format!("{}{more}", " ".repeat(left)));
            }
        } else {
            self.page.line(&format!(
                "{start}{}",
                clip(
                    &id,
                    self.page.width.saturating_sub(columns.left() - columns.id - 2)
                )
            ));
            self.page.paragraph(6, "", &title, Style::new());
        }
        self.explanation(check);
    }

    /// Why a check has its verdict. Those that passed or were never judged need no words.
    fn explanation(&mut self, check: &CheckResult) {
        if matches!(check.verdict, Verdict::Passed | Verdict::Blocked) {
            return;
        }
        for line in safe::block(&check.message).lines() {
            self.page.paragraph(6, "", line, Style::new());
        }
        let parts = [("expected", &check.expected), ("actual", &check.actual)];
        for (label, text) in parts {
            if let Some(text) = text {
                self.page.paragraph(6, label, &safe::line(text), Style::new());
            }
        }
        if let Some(mistake) = &check.mistake {
            self.page
                .paragraph(6, "mistake", &safe::line(mistake), Style::new().bold());
        }
        if let Some(help) = &check.help {
            self.page.paragraph(6, "try", &safe::line(help), Style::new());
        }
    }

    fn finding(&mut self, finding: &Finding) {
        let kind = self.page.styled(
            &safe::line(&finding.kind),
            Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        );
        self.page.line(&format!("  found {kind}"));
        self.page
            .paragraph(6, "", &safe::line(&finding.title), Style::new());
        let symbol = finding.symbol.as_deref().map(safe::line);
        if let Some(source) = &finding.source {
            // Never broken: editors and terminals open it.
            let place = format!("{}:{}", safe::line(&source.file), source.line);
            self.page.line(&format!(
                "      at {}",
                self.page.styled(&place, Style::new().bold())
            ));
        }
        if let Some(symbol) = symbol {
            self.page.paragraph(6, "", &format!("in {symbol}"), Style::new());
        }
        let text = safe::block(&finding.text);
        let total = text.lines().count();
        for line in text.lines().take(self.quote) {
            let quoted = clip(line, self.page.width.saturating_sub(8));
            let quoted = self.page.styled(&quoted, Style::new().dimmed());
            self.page.line(&format!("      | {quoted}"));
        }
        if total > self.quote {
            self.page.line(&format!("      | ({} more)", total - self.quote));
        }
    }

    fn total(&mut self, results: &Results) {
        let passed = results
            .exercises
            .iter()
            .filter(|exercise| exercise.result.verdict == Verdict::Passed)
            .count();
        let count = results.exercises.len();
        if count > 1 {
            let module = safe::line(&results.module);
            let (points, most) = (results.points(), results.max_points());
            let text = format!("{module}: {points} of {most} points, {passed} of {count} exercises passed");
            self.page.paragraph(0, "", &text, Style::new().bold());
        }
        if results.any_inconclusive() {
            let text = "What is inconclusive is the laboratory's failure, not yours, and costs nothing: run it again.";
            self.page.paragraph(0, "", text, Style::new());
        }
        if let Some(environment) = &results.environment {
            let text = format!(
                "kernel {}, {} ({}), QEMU {}, labctl {}",
                environment.kernel,
                environment.accel,
                environment.accel_reason,
                environment.qemu,
                environment.labctl
            );
            self.page
                .paragraph(0, "", &safe::line(&text), Style::new().dimmed());
        }
        if results.seed != "lesson" {
            self.page
                .paragraph(0, "seed", &safe::line(&results.seed), Style::new().dimmed());
        }
    }
}

struct Columns {
    score: usize,
    id: usize,
}

impl Columns {
    /// Where titles start.
    fn left(&self) -> usize {
        2 + VERDICT_WIDTH + 2 + self.score + 2 + self.id + 2
    }
}

pub(super) fn verdict_style(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Passed => AnsiColor::Green,
        Verdict::Partial | Verdict::Invalid => AnsiColor::Yellow,
        Verdict::Failed => AnsiColor::Red,
        Verdict::Inconclusive => AnsiColor::Cyan,
        Verdict::Blocked => return Style::new().dimmed(),
    };
    Style::new().bold().fg_color(Some(colour.into()))
}

#[cfg(test)]
mod tests {
    use lab_kmsg::sanitize::is_plain;
    use proptest::prelude::*;

    use super::super::page::{MAX_WIDTH, MIN_WIDTH};
    use super::super::{hostile, sample};
    use super::*;

    #[test]
    fn a_partial_result_leads_with_its_cause() {
        let text = render(&sample::partial(), &Options::default());
        let expected = "\
module7/exercise-b  partial  4/8 points
Copy address correlation
  failed        0/2  copy1-is-the-transfer  COPY1 reports this run's transfer
      COPY1's destination is not where the witness saw the bytes go
      expected  0xffff888004d7c4ac
      actual    0x000000003f1c2a9b
      mistake   hashed-pointer
      try       %p prints a hash; %px prints the address
  blocked       0/2  same-kernel-address    Both probes saw the same kernel address (needs
                                            copy1-is-the-transfer)
  passed        1/1  send_trace-builds      send_trace.c compiles
  passed        3/3  copies                 Conclusion: ___ copies occurred
  found null-dereference
      NULL pointer dereference at 0x10 in handler_send+0x1f/0x60 [send_trace]
      at src/send_trace.c:31
      in handler_send+0x1f
      | BUG: kernel NULL pointer dereference, address: 0000000000000010
      | #PF: supervisor write access
  evidence  .labctl/runs/exercise-b

module7/exercise-a  passed  2/2 points
sk_buff size
  passed        2/2  total  Total data
  evidence  .labctl/runs/exercise-a

module7: 6 of 10 points, 1 of 2 exercises passed
kernel 6.12.107-lab, tcg (/dev/kvm cannot run a guest), QEMU 7.2.22, labctl 0.1.0
";
        assert_eq!(text, expected);
    }

    #[test]
    fn our_own_failure_says_so() {
        let text = render(&sample::inconclusive(), &Options::default());
        assert!(
            text.starts_with("module7/exercise-b  inconclusive  0/0 points\n"),
            "{text}"
        );
        assert!(text.contains("costs nothing: run it again"), "{text}");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let plain = render(&sample::partial(), &Options::default());
        let colour = render(
            &sample::partial(),
            &Options {
                colour: true,
                ..Options::default()
            },
        );
        assert!(!plain.contains('\u{1b}') && colour.contains('\u{1b}'));
        assert_eq!(anstream::adapter::strip_str(&colour).to_string(), plain);
    }

    #[test]
    fn narrow_terminals_are_respected() {
        for columns in [1, 40, 60, 80, 200] {
            let text = render(
                &sample::partial(),
                &Options {
                    width: columns,
                    ..Options::default()
                },
            );
            let limit = columns.clamp(MIN_WIDTH, MAX_WIDTH);
            let long: Vec<&str> = text
                .lines()
                .filter(|line| width(line) > limit && !line.contains("evidence"))
                .collect();
            assert!(long.is_empty(), "{columns}: {long:?}");
        }
    }

    #[test]
    fn quotes_are_short() {
        let mut results = sample::partial();
        results.exercises[0].result.findings[0].text = "line\n".repeat(30);
        let text = render(
            &results,
            &Options {
                quote: 3,
                ..Options::default()
            },
        );
        assert_eq!(text.matches("| line").count(), 3);
        assert!(text.contains("| (27 more)"));
    }

    #[test]
    fn hostile_text_comes_through_harmless() {
        for columns in [40, 100] {
            let text = render(
                &sample::hostile(),
                &Options {
                    width: columns,
                    ..Options::default()
                },
            );
            assert!(text.chars().all(|c| is_plain(c) || c == '\n'), "{text:?}");
            assert!(text.contains("\\x1b[2J"), "{text}");
            // A line that a CI server would take for a command never stands at the start.
            assert!(
                text.lines().all(|line| !line.trim_start().starts_with("::")),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_line_steers_a_terminal_or_a_ci_server(results in hostile::results(), columns in 40usize..120) {
            let options = Options { width: columns, ..Options::default() };
            let text = render(&results, &options);
            prop_assert!(text.chars().all(|c| is_plain(c) || c == '\n'));
            for line in text.lines() {
                prop_assert!(!line.trim_start().starts_with("::"), "{}", line);
                prop_assert!(!line.contains("##[") && !line.contains("##vso["), "{}", line);
            }
        }
    }
}
