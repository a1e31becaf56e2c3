//! Tables (and bar charts of a column) that a report shows beside the verdict: what was measured, compared.

use super::exercise::Check;
use super::expr::Expr;
use super::ids::CheckId;
use super::raw::RawFigure;
use super::validate::{ALWAYS, Checker, Names};
use super::yaml::Spanned;

/// A table computed from the facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Unique among the exercise's checks and figures; the name of the chart's file.
    pub id: CheckId,
    /// One line for people.
    pub title: String,
    /// Checks that must have passed; without them there may be nothing to show.
    pub needs: Vec<CheckId>,
    /// Headings; the first column names the row.
    pub columns: Vec<String>,
    /// A list of rows, each a list with a value for each column.
    pub rows: Expr,
    /// The column that is drawn as bars, if any.
    pub plot: Option<usize>,
}

/// Checks the figures of an exercise whose checks are `checks`.
pub(super) fn figures(
    checker: &mut Checker<'_>,
    raw: Vec<RawFigure>,
    checks: &[Check],
    names: &Names,
) -> Vec<Figure> {
    let lists: &[&[String]] = &[&names.givens, &names.keys, &names.vars, &names.facts];
    let mut figures: Vec<Figure> = Vec::new();
    for figure in raw {
        let id = CheckId::new(&figure.id.value);
        if id.is_none() {
            checker.error(
                &figure.id,
                format!("`{}` is not a name for a figure", figure.id.value),
            );
        }
        let taken = |id: &str| {
            checks.iter().any(|check| check.id.as_str() == id)
                || figures.iter().any(|figure| figure.id.as_str() == id)
        };
        if taken(&figure.id.value) {
            checker.error(
                &figure.id,
                format!("there already is a check or figure `{}`", figure.id.value),
            );
        }
        if figure.columns.len() < 2 {
            checker.error(&figure.id, "a table has at least two columns");
        }
        let mut needs = Vec::new();
        for need in &figure.needs {
            if checks.iter().any(|check| check.id.as_str() == need.value) {
                needs.extend(CheckId::new(&need.value));
            } else {
                checker.unknown(need, "check", checks.iter().map(|check| check.id.as_str()));
            }
        }
        let plot = figure.plot.as_ref().and_then(|plot| {
            let column = position(&figure.columns, plot);
            if column.is_none() {
                checker.unknown(
                    plot,
                    "column",
                    figure.columns.iter().map(|column| column.value.as_str()),
                );
            }
            column
        });
        let rows = checker.expr(&figure.rows, lists, ALWAYS);
        if let (Some(id), Some(rows)) = (id, rows) {
            figures.push(Figure {
                id,
                title: figure.title,
                needs,
                columns: figure.columns.into_iter().map(|column| column.value).collect(),
                rows,
                plot,
            });
        }
    }
    figures
}

fn position(columns: &[Spanned<String>], name: &Spanned<String>) -> Option<usize> {
    columns.iter().position(|column| column.value == name.value)
}
