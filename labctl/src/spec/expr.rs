//! Compiled expressions (Common Expression Language) that know where they were written.

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr as Ast, IdedExpr, operators};
use cel::{Program, Value};

use super::error::SpecError;
use super::functions;
use super::scope::Scope;
use super::suggest::did_you_mean;
use super::types::{self, Type, Types};
use super::yaml::{Origin, Source, Spanned};

/// An expression of the course that parsed and whose names all exist.
#[derive(Debug, Clone)]
pub struct Expr {
    program: Arc<Program>,
    source: Arc<str>,
    origin: Origin,
    free: Arc<BTreeSet<String>>,
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.origin == other.origin
    }
}

/// An expression failed on the values it met. That is a bug in the course: rules have to hold for all evidence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: `{source_text}` cannot be evaluated: {why}")]
pub struct EvalError {
    /// Where the expression is written.
    pub origin: Origin,
    /// The expression.
    pub source_text: String,
    /// What the evaluator said.
    pub why: String,
}

impl Expr {
    /// Compiles the text of a YAML scalar.
    ///
    /// # Errors
    /// Syntax errors and calls of functions that do not exist, each with its place.
    pub fn compile(source: &Source, scalar: &Spanned<String>) -> Result<Self, Vec<SpecError>> {
        let origin = source.inside(scalar, 1, 1);
        Self::compile_at(&scalar.value, &origin, |line, column| {
            source.inside(scalar, line, column)
        })
    }

    /// Compiles a text whose characters lie where `place` says (line and column from 1, in the text).
    ///
    /// # Errors
    /// As [`Expr::compile`].
    pub fn compile_at(
        text: &str,
        origin: &Origin,
        place: impl Fn(usize, usize) -> Origin,
    ) -> Result<Self, Vec<SpecError>> {
        let program = Program::compile(text).map_err(|errors| {
            errors
                .errors
                .iter()
                .take(1)
                .map(|error| {
                    let line = usize::try_from(error.pos.0).unwrap_or(1).max(1);
                    let column = usize::try_from(error.pos.1).unwrap_or(1).max(1);
                    place(line, column).error(format!("not an expression: {}", first_sentence(&error.msg)))
                })
                .collect::<Vec<_>>()
        })?;
        let mut names = Names {
            bound: Vec::new(),
            free: BTreeSet::new(),
            unknown: Vec::new(),
        };
        names.visit(program.expression());
        if names.unknown.is_empty() {
            return Ok(Self {
                program: Arc::new(program),
                source: text.into(),
                origin: origin.clone(),
                free: Arc::new(names.free),
            });
        }
        let known = || functions::OWN.iter().chain(functions::STANDARD).copied();
        Err(names
            .unknown
            .iter()
            .map(|(id, name)| {
                let offset = program
                    .source_info()
                    .offset_for(*id)
                    .map_or(0, |(start, _)| start as usize);
                let before = text.get(..offset).unwrap_or("");
                // The offset of a call is that of its bracket.
                let before = before.trim_end().strip_suffix(name.as_str()).unwrap_or(before);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
                place(line, column).error(format!("no function `{name}`{}", did_you_mean(name, known())))
            })
            .collect())
    }

    /// The variables it needs.
    #[must_use]
    pub fn free(&self) -> &BTreeSet<String> {
        &self.free
    }

    /// Where it is written.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Its value.
    ///
    /// # Errors
    /// When it does not fit the values in scope; a bug in the course.
    pub fn eval(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        self.program
            .execute(scope.context())
            .map_err(|error| self.fails(error.to_string()))
    }

    /// Its value as a condition.
    ///
    /// # Errors
    /// As [`Expr::eval`], and when the value is not a `bool`.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        match self.eval(scope)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(self.fails(format!("expected true or false, got {}", other.type_of()))),
        }
    }

    /// What type its value has, and what in it can never be evaluated.
    #[must_use]
    pub fn infer(&self, types: &Types) -> (Type, Vec<String>) {
        types::infer(self.program.expression(), types)
    }

    /// The values that make this hold by being equal to `name`: of `answer == a || answer == b + 1`, those of `a` and `b + 1`.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn equal_to(&self, name: &str, scope: &Scope<'_>) -> Result<Vec<Value>, EvalError> {
        let mut sides = Vec::new();
        equal_sides(self.program.expression(), name, &mut sides);
        let value =
            |side| Value::resolve(side, scope.context()).map_err(|error| self.fails(error.to_string()));
        sides.into_iter().map(value).collect()
    }

    /// An error about this expression.
    #[must_use]
    pub fn fails(&self, why: impl Into<String>) -> EvalError {
        EvalError {
            origin: self.origin.clone(),
            source_text: self.source.to_string(),
            why: why.into(),
        }
    }

    /// Errors for every variable that is not among `known`.
    pub fn check_names<'a>(&self, known: impl Fn() -> Vec<&'a str>) -> Vec<SpecError> {
        let names = known();
        self.free
            .iter()
            .filter(|name| !names.contains(&name.as_str()))
            .map(|name| {
                let hint = did_you_mean(name, names.iter().copied());
                self.origin
                    .error(format!("no variable `{name}` in `{}`{hint}", self.source.trim()))
            })
            .collect()
    }
}

/// What `name` is compared with in a chain of `||`.
fn equal_sides<'e>(node: &'e IdedExpr, name: &str, sides: &mut Vec<&'e IdedExpr>) {
    let Ast::Call(call) = &node.expr else { return };
    let [left, right] = call.args.as_slice() else {
        return;
    };
    let is_name = |side: &IdedExpr| matches!(&side.expr, Ast::Ident(ident) if ident == name);
    match call.func_name.as_str() {
        operators::LOGICAL_OR => {
            equal_sides(left, name, sides);
            equal_sides(right, name, sides);
        }
        operators::EQUALS if is_name(left) => sides.push(right),
        operators::EQUALS if is_name(right) => sides.push(left),
        _ => {}
    }
}

fn first_sentence(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    message.split(" expecting {").next().unwrap_or(message).to_owned()
}

/// Collects what an expression refers to; names that a macro binds (`xs.exists(x, …)`) are not free.
struct Names {
    bound: Vec<String>,
    free: BTreeSet<String>,
    unknown: Vec<(u64, String)>,
}

impl Names {
    fn visit(&mut self, node: &IdedExpr) {
        match &node.expr {
            Ast::Unspecified | Ast::Literal(_) => {}
            Ast::Ident(name) => {
                if !self.bound.contains(name) {
                    self.free.insert(name.clone());
                }
            }
            Ast::Call(call) => {
                let name = call.func_name.as_str();
                let is_operator =
                    name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') || name.starts_with('_');
                if !is_operator && !functions::OWN.contains(&name) && !functions::STANDARD.contains(&name) {
                    self.unknown.push((node.id, name.to_owned()));
                }
                call.target.iter().for_each(|target| self.visit(target));
                call.args.iter().for_each(|argument| self.visit(argument));
            }
            Ast::Comprehension(loop_) => {
                self.visit(&loop_.iter_range);
                self.visit(&loop_.accu_init);
                let depth = self.bound.len();
                self.bound.push(loop_.accu_var.clone());
                self.bound.push(loop_.iter_var.clone());
                self.bound.extend(loop_.iter_var2.clone());
                self.visit(&loop_.loop_cond);
                self.visit(&loop_.loop_step);
                self.visit(&loop_.result);
                self.bound.truncate(depth);
            }
            Ast::List(list) => list.elements.iter().for_each(|element| self.visit(element)),
            Ast::Map(map) => map.entries.iter().for_each(|entry| self.visit_entry(&entry.expr)),
            Ast::Struct(literal) => literal
                .entries
                .iter()
                .for_each(|entry| self.visit_entry(&entry.expr)),
            Ast::Select(select) => self.visit(&select.operand),
        }
    }

    fn visit_entry(&mut self, entry: &EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key);
                self.visit(&entry.value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Result<Expr, Vec<SpecError>> {
        let origin = Origin {
            file: "x.yaml".into(),
            line: 1,
            column: 1,
        };
        Expr::compile_at(text, &origin, |line, column| Origin {
            file: "x.yaml".into(),
            line: u32::try_from(line).unwrap(),
            column: u32::try_from(column).unwrap(),
        })
    }

    #[test]
    fn bound_names_are_not_free() {
        let expr = compile("xs.exists(x, x == y && ys.all(z, z > x))").unwrap();
        assert_eq!(expr.free().iter().collect::<Vec<_>>(), ["xs", "y", "ys"]);
    }

    #[test]
    fn a_syntax_error_has_its_column() {
        let errors = compile("one ++ two").unwrap_err();
        assert_eq!(
            errors[0].to_string(),
            "x.yaml:1:6: not an expression: extraneous input '+'"
        );
    }

    #[test]
    fn an_unknown_function_gets_a_suggestion() {
        let errors = compile("size(xs) > 0 && is_kernal(x)").unwrap_err();
        assert_eq!(errors.len(), 1);
        assert!(
            errors[0]
                .what
                .contains("no function `is_kernal`, did you mean `is_kernel`?"),
            "{}",
            errors[0]
        );
    }

    #[test]
    fn what_a_name_may_equal() {
        let mut scope = Scope::new();
        scope.set("answer", Value::Int(0));
        scope.set("x", Value::Int(5));
        let expr = compile("answer == x + 1 || 7 == answer || (answer > 3 && x == answer)").unwrap();
        assert_eq!(
            expr.equal_to("answer", &scope),
            Ok(vec![Value::Int(6), Value::Int(7)])
        );
    }

    #[test]
    fn evaluation_errors_are_typed() {
        let mut scope = Scope::new();
        scope.set("x", Value::Int(1));
        let error = compile("x + 'a'").unwrap().eval(&scope).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("x.yaml:1:1: `x + 'a'` cannot be evaluated"),
            "{error}"
        );
        assert!(compile("x").unwrap().holds(&scope).is_err());
        assert_eq!(
            compile("is_kernel(x)").unwrap().eval(&scope),
            Ok(Value::Bool(false))
        );
        assert_eq!(
            compile("hex(255)").unwrap().eval(&scope),
            Ok(super::super::value::text("0xff"))
        );
        assert!(compile("hex('a')").unwrap().eval(&scope).is_err());
    }
}
