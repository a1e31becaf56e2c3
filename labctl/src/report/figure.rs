//! A table for a terminal, with one column drawn as bars.

use anstyle::Style;

use super::page::Page;
use super::safe;
use super::wrap::{clip, pad, width};
use crate::grade::verdict::Figure;

const INDENT: usize = 6;
const LONGEST_BAR: usize = 40;

/// Writes the figure onto the page, cut to its width.
pub(super) fn show(page: &mut Page, figure: &Figure) {
    page.line("");
    page.paragraph(2, "", &safe::line(&figure.title), Style::new().bold());
    let mut lines: Vec<Vec<String>> = vec![figure.columns.iter().map(|cell| safe::line(cell)).collect()];
    lines.extend(
        figure
            .rows
            .iter()
            .map(|row| row.iter().map(|cell| safe::line(cell)).collect()),
    );
    let widths: Vec<usize> = (0..figure.columns.len())
        .map(|column| lines.iter().map(|line| width(&line[column])).max().unwrap_or(0))
        .collect();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, columns))| match column {
                0 => pad(cell, *columns),
                _ => format!("{}{cell}", " ".repeat(columns - width(cell))),
            })
            .collect();
        let text = clip(&cells.join("  "), page.width - INDENT);
        let style = if number == 0 {
            Style::new().dimmed()
        } else {
            Style::new()
        };
        let text = page.styled(&text, style);
        page.line(&format!("{}{text}", " ".repeat(INDENT)));
    }
    let Some(plot) = figure.plot else { return };
    let name = widths.first().copied().unwrap_or(0);
    let room = page
        .width
        .saturating_sub(INDENT + name + 2 + widths[plot] + 2)
        .min(LONGEST_BAR);
    let longest = figure.bars.iter().copied().fold(0.0, f64::max);
    if room < 8 || longest <= 0.0 {
        return;
    }
    page.line("");
    page.line(&format!(
        "{}{}",
        " ".repeat(INDENT),
        page.styled(&lines[0][plot], Style::new().dimmed())
    ));
    for (line, bar) in lines[1..].iter().zip(&figure.bars) {
        let length = length(*bar, longest, room);
        let text = format!("{}  {}  {}", pad(&line[0], name), "█".repeat(length), line[plot]);
        page.line(&format!("{}{text}", " ".repeat(INDENT)));
    }
}

/// At least one block for what is not nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a bar has 0 to 40 blocks"
)]
fn length(bar: f64, longest: f64, room: usize) -> usize {
    let blocks = (bar / longest * room as f64).round() as usize;
    if bar > 0.0 { blocks.clamp(1, room) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_table_and_its_bars() {
        let mut page = Page::new(60, false);
        show(&mut page, &sample::figure("TCP"));
        let expected = "
  Compared: TCP
      path  copies  MB/s
      TCP       44  15.4
      TCP       44  30.8

      MB/s
      TCP   ████████████████████  15.4
      TCP   ████████████████████████████████████████  30.8
";
        assert_eq!(page.into_string(), expected);
    }

    #[test]
    fn nothing_is_no_bar() {
        assert_eq!(
            (length(0.0, 5.0, 40), length(0.01, 5.0, 40), length(5.0, 5.0, 40)),
            (0, 1, 40)
        );
    }
}
