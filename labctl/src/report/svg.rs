//! A figure's column as a bar chart: a file of its own for a report or a slide.

use std::fmt::Write as _;

use super::safe;
use crate::grade::verdict::Figure;

const ROW: usize = 28;
const LEFT: usize = 200;
const LONGEST: f64 = 440.0;
const WIDTH: usize = 760;
const TOP: usize = 64;

/// The chart, or nothing for a figure that is only a table.
#[must_use]
pub fn render(figure: &Figure) -> Option<String> {
    let plot = figure.plot?;
    let height = TOP + ROW * figure.rows.len() + 16;
    let longest = figure.bars.iter().copied().fold(0.0, f64::max);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"14\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"bold\">{}</text>\n\
         <text x=\"{LEFT}\" y=\"50\" fill=\"#555\">{}</text>\n",
        escaped(&figure.title),
        escaped(&figure.columns[plot]),
    );
    for (index, (row, bar)) in figure.rows.iter().zip(&figure.bars).enumerate() {
        let y = TOP + ROW * index;
        let length = if longest > 0.0 {
            bar / longest * LONGEST
        } else {
            0.0
        };
        let text = y + 15;
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{length:.1}\" height=\"20\" fill=\"#2a6f97\"/>\
             <text x=\"{:.1}\" y=\"{text}\">{}</text>",
            LEFT - 10,
            escaped(&row[0]),
            200.0 + length + 8.0,
            escaped(&row[plot]),
        );
    }
    out.push_str("</svg>\n");
    Some(out)
}

fn escaped(text: &str) -> String {
    safe::line(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_longest_bar_is_the_largest_number() {
        let svg = render(&sample::figure("TCP")).unwrap();
        assert!(
            svg.contains("width=\"440.0\"") && svg.contains("width=\"220.0\""),
            "{svg}"
        );
        assert!(svg.contains(">30.8</text>"), "{svg}");
    }

    #[test]
    fn text_of_a_guest_is_text() {
        let svg = render(&sample::figure("<script>&\"")).unwrap();
        assert!(
            svg.contains("&lt;script&gt;&amp;&quot;") && !svg.contains("<script"),
            "{svg}"
        );
    }

    #[test]
    fn a_mere_table_has_no_chart() {
        let mut figure = sample::figure("TCP");
        figure.plot = None;
        assert_eq!(render(&figure), None);
    }
}
