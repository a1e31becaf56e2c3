//! The variables in reach of an expression.

use cel::{Context, Value};

use super::functions;

/// Variables by name, with our functions.
pub struct Scope<'p>(Context<'p, 'static>);

impl Default for Scope<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'p> Scope<'p> {
    /// No variables.
    #[must_use]
    pub fn new() -> Self {
        Self(functions::context())
    }

    /// Binds a name, hiding an outer one.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.add_variable_from_value(name, value);
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        self.0
            .get_variable(name)
            .and_then(|value| Value::try_from(value.as_ref()).ok())
    }

    /// A scope inside this one.
    #[must_use]
    pub fn inner(&self) -> Scope<'_> {
        Scope(self.0.new_inner_scope())
    }

    pub(super) fn context(&self) -> &Context<'p, 'static> {
        &self.0
    }
}
