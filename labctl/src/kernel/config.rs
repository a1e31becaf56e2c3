//! The kernel's `.config`: which value every Kconfig symbol ended up with.

use std::collections::BTreeMap;
use std::fmt;

/// The value of one Kconfig symbol, as a `.config` writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `# CONFIG_X is not set`, or no line at all: Kconfig treats the two alike for the code it builds.
    Off,
    /// What stands after `=`: `y`, `m`, a number, or a string with its quotes.
    Set(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("n"),
            Self::Set(text) => f.write_str(text),
        }
    }
}

/// One line of a `.config` or of a fragment: a symbol (with its `CONFIG_` prefix) and its value.
///
/// `None` when the line assigns nothing: a comment, a blank line, or a form Kconfig would not write.
/// The two forms are those of `conf_write_symbol` in `scripts/kconfig/confdata.c`.
#[must_use]
pub fn assignment(line: &str) -> Option<(&str, Value)> {
    let line = line.trim_end();
    if let Some(rest) = line.strip_prefix("# ") {
        let symbol = rest.strip_suffix(" is not set")?;
        return is_symbol(symbol).then_some((symbol, Value::Off));
    }
    let (symbol, value) = line.split_once('=')?;
    if !is_symbol(symbol) || value.is_empty() {
        return None;
    }
    let value = if value == "n" {
        Value::Off
    } else {
        Value::Set(value.to_owned())
    };
    Some((symbol, value))
}

fn is_symbol(text: &str) -> bool {
    text.strip_prefix("CONFIG_")
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

/// A whole `.config`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    symbols: BTreeMap<String, Value>,
}

impl Config {
    /// Reads a `.config` that Kconfig wrote. Lines that assign nothing are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let symbols = text
            .lines()
            .filter_map(assignment)
            .map(|(symbol, value)| (symbol.to_owned(), value))
            .collect();
        Self { symbols }
    }

    /// The value of `symbol` (with its `CONFIG_` prefix).
    #[must_use]
    pub fn get(&self, symbol: &str) -> &Value {
        self.symbols.get(symbol).unwrap_or(&Value::Off)
    }

    /// Is `symbol` built in or a module?
    #[must_use]
    pub fn offers(&self, symbol: &str) -> bool {
        matches!(self.get(symbol), Value::Set(value) if value == "y" || value == "m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_and_skips_the_rest() {
        let config = Config::parse(
            "#\n# Automatically generated file\n#\nCONFIG_NET=y\n# CONFIG_IPV6 is not set\nCONFIG_NR_CPUS=16\n\
             CONFIG_LOCALVERSION=\"-lab\"\nCONFIG_VETH=m\nCONFIG_X=n\n",
        );
        assert_eq!(config.get("CONFIG_NET"), &Value::Set("y".into()));
        assert_eq!(config.get("CONFIG_IPV6"), &Value::Off);
        assert_eq!(config.get("CONFIG_NEVER_HEARD_OF"), &Value::Off);
        assert_eq!(config.get("CONFIG_X"), &Value::Off);
        assert_eq!(config.get("CONFIG_NR_CPUS"), &Value::Set("16".into()));
        assert_eq!(config.get("CONFIG_LOCALVERSION"), &Value::Set("\"-lab\"".into()));
        assert!(config.offers("CONFIG_VETH"));
        assert!(!config.offers("CONFIG_NR_CPUS"));
    }

    #[test]
    fn an_assignment_is_exactly_what_kconfig_writes() {
        assert_eq!(
            assignment("# CONFIG_A is not set"),
            Some(("CONFIG_A", Value::Off))
        );
        for junk in [
            "CONFIG_=y",
            "config_a=y",
            "CONFIG_A-B=y",
            "CONFIG_A=",
            "CONFIG_A",
            "# CONFIG_A is off",
            "",
        ] {
            assert_eq!(assignment(junk), None, "{junk}");
        }
    }
}
