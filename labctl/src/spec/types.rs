//! Types of expressions, as far as a course's own declarations give them away: enough to find a misspelt field, an address
//! added to a number, or a rule that is no condition, before any evidence does.

use std::collections::BTreeMap;

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr as Ast, IdedExpr, LiteralValue, operators};

use super::suggest::did_you_mean;

/// What is known of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Nothing: it may be anything.
    Any,
    /// The element of an empty list.
    Nothing,
    Null,
    Bool,
    /// `int`.
    Int,
    /// `uint`: an address.
    Address,
    /// A whole number that is an `int` unless it is too large for one.
    Whole,
    /// `double`.
    Fraction,
    Text,
    List(Box<Type>),
    /// A map whose keys are all known.
    Record(BTreeMap<String, Type>),
}

impl Type {
    /// A list of these.
    #[must_use]
    pub fn list(element: Self) -> Self {
        Self::List(Box::new(element))
    }

    /// A record with these members.
    pub fn record<'n>(members: impl IntoIterator<Item = (&'n str, Self)>) -> Self {
        let owned = members
            .into_iter()
            .map(|(name, member)| (name.to_owned(), member));
        Self::Record(owned.collect())
    }

    fn describe(&self) -> &'static str {
        match self {
            Self::Any | Self::Nothing => "something",
            Self::Null => "null",
            Self::Bool => "a condition",
            Self::Int | Self::Whole => "a whole number",
            Self::Address => "an address (uint)",
            Self::Fraction => "a number",
            Self::Text => "a text",
            Self::List(_) => "a list",
            Self::Record(_) => "a record",
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Any | Self::Nothing)
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Address | Self::Whole | Self::Fraction)
    }

    /// What a value is that is one or the other.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (left, right) if left == right => left,
            (Self::Nothing, one) | (one, Self::Nothing) => one,
            (Self::List(left), Self::List(right)) => Self::list(left.or(*right)),
            (Self::Int | Self::Whole | Self::Address, Self::Int | Self::Whole | Self::Address) => Self::Whole,
            _ => Self::Any,
        }
    }

    /// Whether values of the two can ever be equal, or be put in order.
    fn meets(&self, other: &Self) -> bool {
        let may_be_null = matches!(self, Self::Null) || matches!(other, Self::Null);
        self.is_open()
            || other.is_open()
            || may_be_null
            || (self.is_number() && other.is_number())
            || std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// The types of names.
pub type Types = BTreeMap<String, Type>;

/// The type of an expression, and what in it can never be evaluated.
pub(super) fn infer(expr: &IdedExpr, types: &Types) -> (Type, Vec<String>) {
    let mut inference = Inference {
        types,
        bound: Vec::new(),
        wrong: Vec::new(),
    };
    let found = inference.of(expr);
    inference.wrong.dedup();
    (found, inference.wrong)
}

struct Inference<'t> {
    types: &'t Types,
    /// Names that macros bind, innermost last.
    bound: Vec<(String, Type)>,
    wrong: Vec<String>,
}

impl Inference<'_> {
    fn of(&mut self, node: &IdedExpr) -> Type {
        match &node.expr {
            Ast::Unspecified | Ast::Struct(_) => Type::Any,
            Ast::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Bytes(_) => Type::Any,
                LiteralValue::Double(_) => Type::Fraction,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::Null => Type::Null,
                LiteralValue::String(_) => Type::Text,
                LiteralValue::UInt(_) => Type::Address,
            },
            Ast::Ident(name) => self.name(name),
            Ast::List(list) => {
                let elements = list.elements.iter().map(|element| self.of(element));
                Type::list(elements.fold(Type::Nothing, Type::or))
            }
            Ast::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.of(&entry.value);
                    }
                }
                Type::Any
            }
            Ast::Select(select) => {
                let record = self.of(&select.operand);
                if select.test {
                    return Type::Bool;
                }
                self.member(&record, &select.field)
            }
            Ast::Comprehension(comprehension) => self.comprehension(comprehension),
            Ast::Call(call) => {
                let target = call.target.as_ref().map(|target| self.of(target));
                let args: Vec<Type> = call.args.iter().map(|argument| self.of(argument)).collect();
                self.call(&call.func_name, target, &args)
            }
        }
    }

    fn name(&self, name: &str) -> Type {
        let bound = self.bound.iter().rfind(|(bound, _)| bound == name);
        bound
            .map(|(_, found)| found)
            .or_else(|| self.types.get(name))
            .cloned()
            .unwrap_or(Type::Any)
    }

    fn member(&mut self, of: &Type, field: &str) -> Type {
        match of {
            Type::Record(members) => match members.get(field) {
                Some(member) => member.clone(),
                None => {
                    let hint = did_you_mean(field, members.keys().map(String::as_str));
                    let known: Vec<&str> = members.keys().map(String::as_str).collect();
                    let known = if hint.is_empty() {
                        format!(" (there are {})", known.join(", "))
                    } else {
                        hint
                    };
                    self.wrong.push(format!("no member `{field}`{known}"));
                    Type::Any
                }
            },
            found if found.is_open() => Type::Any,
            found => {
                self.wrong
                    .push(format!("{} has no member `{field}`", found.describe()));
                Type::Any
            }
        }
    }

    fn comprehension(&mut self, loop_: &ComprehensionExpr) -> Type {
        let element = match self.of(&loop_.iter_range) {
            Type::List(element) => *element,
            found if found.is_open() || matches!(found, Type::Record(_)) => Type::Any,
            found => {
                self.wrong.push(format!("{} has no elements", found.describe()));
                Type::Any
            }
        };
        let start = self.of(&loop_.accu_init);
        let depth = self.bound.len();
        self.bound.push((loop_.iter_var.clone(), element));
        if let Some(second) = &loop_.iter_var2 {
            self.bound.push((second.clone(), Type::Any));
        }
        self.bound.push((loop_.accu_var.clone(), start.clone()));
        self.of(&loop_.loop_cond);
        let step = self.of(&loop_.loop_step);
        self.bound.pop();
        self.bound.push((loop_.accu_var.clone(), start.or(step)));
        let result = self.of(&loop_.result);
        self.bound.truncate(depth);
        result
    }

    fn call(&mut self, name: &str, target: Option<Type>, args: &[Type]) -> Type {
        let all: Vec<&Type> = target.iter().chain(args).collect();
        match (name, all.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, sides) => {
                for side in sides {
                    self.need(side, &Type::Bool, "`&&`, `||` and `!` join conditions");
                }
                Type::Bool
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.need(condition, &Type::Bool, "`? :` needs a condition");
                (*yes).clone().or((*no).clone())
            }
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
                self.need_meeting(left, right, "are never equal");
                Type::Bool
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => {
                self.need_meeting(left, right, "have no order");
                Type::Bool
            }
            (operators::ADD, [left, right]) => self.sum(left, right),
            (
                operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
                [left, right],
            ) => self.arithmetic(left, right),
            (operators::NEGATE, [one]) => (*one).clone(),
            (operators::INDEX, [Type::List(element), _]) => match element.as_ref() {
                Type::Nothing => Type::Any,
                element => element.clone(),
            },
            ("first" | "last", [Type::List(element)]) => element.as_ref().clone(),
            ("distinct", [list]) => (*list).clone(),
            ("hexdump" | "canonical", [text]) => {
                self.need(text, &Type::Text, &format!("{name}() takes a text"));
                Type::Text
            }
            ("hex" | "hex_digits" | "grouped" | "is_kernel" | "is_user", [number]) => {
                if !number.is_open() && !number.is_number() {
                    let what = format!("{name}() takes a number, not {}", number.describe());
                    self.wrong.push(what);
                }
                if name.starts_with("is_") {
                    Type::Bool
                } else {
                    Type::Text
                }
            }
            ("size", [of]) => {
                if of.is_number() || **of == Type::Bool {
                    self.wrong.push(format!("{} has no size", of.describe()));
                }
                Type::Int
            }
            ("contains" | "startsWith" | "endsWith", [Type::Text, part]) => {
                self.need(part, &Type::Text, &format!("{name}() takes a text"));
                Type::Bool
            }
            (
                "near_to"
                | "bool"
                | operators::IN
                | operators::NOT_STRICTLY_FALSE
                | "contains"
                | "startsWith"
                | "endsWith",
                _,
            ) => Type::Bool,
            ("string", _) => Type::Text,
            ("int", _) => Type::Int,
            ("uint", _) => Type::Address,
            ("double", _) => Type::Fraction,
            _ => Type::Any,
        }
    }

    fn sum(&mut self, left: &Type, right: &Type) -> Type {
        match (left, right) {
            (Type::Text, Type::Text) => Type::Text,
            (Type::List(_), Type::List(_)) => left.clone().or(right.clone()),
            (left, right) if left.is_open() || right.is_open() => Type::Any,
            (left, right) if left.is_number() && right.is_number() => self.arithmetic(left, right),
            (left, right) => {
                self.wrong.push(format!(
                    "{} and {} cannot be added",
                    left.describe(),
                    right.describe()
                ));
                Type::Any
            }
        }
    }

    fn arithmetic(&mut self, left: &Type, right: &Type) -> Type {
        match (left, right) {
            (left, right) if left.is_open() || right.is_open() => Type::Any,
            (Type::Int, Type::Address) | (Type::Address, Type::Int) => {
                self.wrong.push(
                    "an address (uint) and a whole number (int) cannot be calculated with: write 14u, or uint(…)".to_owned(),
                );
                Type::Address
            }
            (left, right) if left.is_number() && right.is_number() => {
                if *left == Type::Fraction || *right == Type::Fraction {
                    Type::Fraction
                } else {
                    left.clone().or(right.clone())
                }
            }
            (left, right) => {
                let what = format!(
                    "{} and {} cannot be calculated with",
                    left.describe(),
                    right.describe()
                );
                self.wrong.push(what);
                Type::Any
            }
        }
    }

    fn need(&mut self, found: &Type, wanted: &Type, why: &str) {
        if !found.is_open() && found != wanted {
            self.wrong.push(format!("{why}, not {}", found.describe()));
        }
    }

    fn need_meeting(&mut self, left: &Type, right: &Type, why: &str) {
        if !left.meets(right) {
            self.wrong
                .push(format!("{} and {} {why}", left.describe(), right.describe()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::expr::Expr;
    use crate::spec::yaml::Origin;

    fn types() -> Types {
        let line = Type::record([
            ("pid", Type::Whole),
            ("dest", Type::Address),
            ("text", Type::Text),
        ]);
        BTreeMap::from([
            ("lines".to_owned(), Type::list(line)),
            ("n".to_owned(), Type::Int),
            ("name".to_owned(), Type::Text),
            ("addr".to_owned(), Type::Address),
        ])
    }

    fn inferred(text: &str) -> (Type, Vec<String>) {
        let origin = Origin {
            file: "x.yaml".into(),
            line: 1,
            column: 1,
        };
        let expr = Expr::compile_at(text, &origin, |_, _| origin.clone()).unwrap();
        expr.infer(&types())
    }

    #[test]
    fn what_is_right_has_a_type() {
        for (text, expected) in [
            ("size(lines) == 1 && lines[0].pid == n", Type::Bool),
            ("lines.filter(l, l.dest == addr)[0].pid", Type::Whole),
            ("lines.filter(l, l.pid > 3) + lines", types()["lines"].clone()),
            ("lines.exists(l, l.pid == n)", Type::Bool),
            ("lines.map(l, l.dest)", Type::list(Type::Address)),
            ("'a' + name", Type::Text),
            ("addr + 14u", Type::Address),
            ("n * 2", Type::Int),
            ("n > 3 ? 'a' : name", Type::Text),
            ("first(lines).text", Type::Text),
            ("n == null || name != null", Type::Bool),
            ("unknown.whatever + 5", Type::Any),
        ] {
            assert_eq!(inferred(text), (expected, Vec::new()), "{text}");
        }
    }

    #[test]
    fn what_can_never_be_evaluated_is_told() {
        for (text, why) in [
            ("lines[0].dst == addr", "no member `dst`, did you mean `dest`?"),
            (
                "lines.exists(l, l.length == 1)",
                "no member `length` (there are dest, pid, text)",
            ),
            ("first(lines.filter(l, l.pidd == 1)).text", "no member `pidd`"),
            ("lines.pid", "a list has no member `pid`"),
            ("addr + 14", "write 14u"),
            ("name + n", "a text and a whole number cannot be added"),
            ("name == n", "are never equal"),
            ("n && true", "join conditions, not a whole number"),
            ("size(n)", "has no size"),
            ("hexdump(n)", "hexdump() takes a text"),
            ("hex(name)", "hex() takes a number"),
            ("n.all(x, x)", "has no elements"),
        ] {
            let wrong = inferred(text).1;
            assert!(wrong.iter().any(|wrong| wrong.contains(why)), "{text}: {wrong:?}");
        }
    }
}
