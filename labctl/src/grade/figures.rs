//! Tables of what was measured. They are about runs that went well, and change no verdict.

use cel::Value;

use super::outcome::Board;
use super::verdict::{Figure, Verdict};
use crate::spec::exercise::Exercise;
use crate::spec::expr::EvalError;
use crate::spec::figure;
use crate::spec::scope::Scope;
use crate::spec::value::{as_float, display};

/// Computes every figure whose needs have passed.
///
/// # Errors
/// When an expression of the course does not fit its values, or does not give a table.
pub(super) fn draw(exercise: &Exercise, scope: &Scope<'_>, board: &Board) -> Result<Vec<Figure>, EvalError> {
    exercise
        .figures
        .iter()
        .filter(|figure| {
            figure
                .needs
                .iter()
                .all(|need| board.verdict(need.as_str()) == Some(Verdict::Passed))
        })
        .map(|figure| table(figure, scope))
        .collect()
}

fn table(figure: &figure::Figure, scope: &Scope<'_>) -> Result<Figure, EvalError> {
    let wrong = || {
        let columns = figure.columns.len();
        figure
            .rows
            .fails(format!("expected a list of rows with {columns} values each"))
    };
    let Value::List(rows) = figure.rows.eval(scope)? else {
        return Err(wrong());
    };
    let mut drawn = Figure {
        id: figure.id.to_string(),
        title: figure.title.clone(),
        columns: figure.columns.clone(),
        rows: Vec::new(),
        plot: figure.plot,
        bars: Vec::new(),
    };
    for row in rows.iter() {
        let Value::List(cells) = row else {
            return Err(wrong());
        };
        if cells.len() != figure.columns.len() {
            return Err(wrong());
        }
        if let Some(plot) = figure.plot {
            let bar = as_float(&cells[plot]).filter(|bar| bar.is_finite() && *bar >= 0.0);
            drawn.bars.push(bar.ok_or_else(|| {
                figure
                    .rows
                    .fails(format!("`{}` cannot be drawn as a bar", display(&cells[plot])))
            })?);
        }
        drawn.rows.push(cells.iter().map(display).collect());
    }
    Ok(drawn)
}
