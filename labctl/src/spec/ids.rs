//! Names that have to be right: each is checked once, where it enters.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name, if it is made of lower-case letters, digits, `-` and `_` and begins with a letter.
            #[must_use]
            pub fn new(name: &str) -> Option<Self> {
                is_name(name).then(|| Self(name.to_owned()))
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// `module7`.
    ModuleId
);
id!(
    /// `exercise-b`; unique within its module.
    ExerciseId
);
id!(
    /// `copies`, `same-kernel-address`, `send_trace-builds`; unique within its exercise.
    CheckId
);
id!(
    /// `wrong-register`, `failure-4`.
    MistakeId
);

/// Lower-case letters, digits, `-` and `_`, beginning with a letter, at most 64 characters.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

/// A name that can stand in an expression: like [`is_name`], without `-`.
#[must_use]
pub fn is_variable(text: &str) -> bool {
    is_name(text) && !text.contains('-') && !RESERVED.contains(&text)
}

/// Words that the expression language keeps for itself, or that every exercise already has.
const RESERVED: &[&str] = &[
    "in", "true", "false", "null", "answer", "answers", "near", "steps", "log", "log_lost", "w", "f",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(ExerciseId::new("exercise-b").is_some());
        assert!(CheckId::new("send_trace-builds").is_some());
        for wrong in ["", "Exercise", "7up", "a b", "a/b", "ä", "-x"] {
            assert!(ExerciseId::new(wrong).is_none(), "{wrong}");
        }
        assert!(is_variable("kernel_va"));
        assert!(!is_variable("kernel-va"));
        assert!(!is_variable("answer"));
    }
}
