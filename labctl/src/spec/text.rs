//! Sentences and arguments with expressions in them: `at {{hex(saw[0].addr)}}`.

use super::error::SpecError;
use super::expr::{EvalError, Expr};
use super::scope::Scope;
use super::value;
use super::yaml::{Source, Spanned};

/// A text with holes. Without holes it is just a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Text(Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(String),
    Hole(Expr),
}

impl Text {
    /// A text without holes.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self(vec![Part::Literal(text.to_owned())])
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let blank = |part: &Part| matches!(part, Part::Literal(text) if text.trim().is_empty());
        self.0.iter().all(blank)
    }

    /// Splits a YAML scalar at `{{` and `}}`.
    ///
    /// # Errors
    /// A hole without end, or one that is not an expression.
    pub fn compile(source: &Source, scalar: &Spanned<String>) -> Result<Self, Vec<SpecError>> {
        let mut parts = Vec::new();
        let mut errors = Vec::new();
        let mut rest = scalar.value.as_str();
        while let Some(start) = rest.find("{{") {
            let offset = scalar.value.len() - rest.len() + start + 2;
            if start > 0 {
                parts.push(Part::Literal(rest[..start].to_owned()));
            }
            let Some(end) = rest[start..].find("}}") else {
                errors.push(source.at(scalar, "`{{` without `}}`"));
                break;
            };
            let hole = &rest[start + 2..start + end];
            let place = |line: usize, column: usize| {
                let before = &scalar.value[..offset];
                let lines = before.matches('\n').count();
                let columns = before.rsplit('\n').next().unwrap_or("").chars().count();
                source.inside(
                    scalar,
                    lines + line,
                    if line == 1 { columns + column } else { column },
                )
            };
            match Expr::compile_at(hole, &place(1, 1), place) {
                Ok(expr) => parts.push(Part::Hole(expr)),
                Err(wrong) => errors.extend(wrong),
            }
            rest = &rest[start + end + 2..];
        }
        if !rest.is_empty() && errors.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if errors.is_empty() {
            Ok(Self(parts))
        } else {
            Err(errors)
        }
    }

    /// The expressions in the holes.
    pub fn holes(&self) -> impl Iterator<Item = &Expr> {
        self.0.iter().filter_map(|part| match part {
            Part::Hole(expr) => Some(expr),
            Part::Literal(_) => None,
        })
    }

    /// The text with every hole filled.
    ///
    /// # Errors
    /// When an expression does not fit the values in scope; a bug in the course.
    pub fn render(&self, scope: &Scope<'_>) -> Result<String, EvalError> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => out.push_str(literal),
                Part::Hole(expr) => out.push_str(&value::display(&expr.eval(scope)?)),
            }
        }
        Ok(out)
    }

    /// Nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use cel::Value;

    use super::*;
    use crate::spec::yaml::Mapping;

    fn compile(yaml: &str) -> Result<Text, Vec<SpecError>> {
        let source = Source::new("x.yaml", yaml);
        let Mapping(pairs) = source.read::<Mapping<Spanned<String>>>().unwrap();
        Text::compile(&source, &pairs[0].1)
    }

    #[test]
    fn holes_are_filled() {
        let text = compile("a: \"port {{port + 1}}, {{hex(255)}}.\"\n").unwrap();
        let mut scope = Scope::new();
        scope.set("port", Value::Int(9999));
        assert_eq!(text.render(&scope).unwrap(), "port 10000, 0xff.");
    }

    #[test]
    fn errors_in_holes_have_their_place() {
        assert_eq!(
            compile("a: \"port {{1 ++ 2}}\"\n").unwrap_err()[0].to_string(),
            "x.yaml:1:15: not an expression: extraneous input '+'"
        );
        assert_eq!(
            compile("a: \"{{1\"\n").unwrap_err()[0].to_string(),
            "x.yaml:1:4: `{{` without `}}`"
        );
    }
}
