//! Config fragments: small files by purpose that together say what a kernel must have.
//!
//! A fragment is a request, not a result: Kconfig silently drops a symbol whose dependency is missing. So every request is
//! remembered with the line it came from, and [`Requests::verify`] holds the finished `.config` against all of them.

use std::collections::BTreeMap;
use std::fmt;

use super::config::{Config, Value, assignment};

/// Where a request was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The fragment's name, as the kernel's description lists it.
    pub fragment: String,
    /// Line in that fragment, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.fragment, self.line)
    }
}

/// One symbol, the value asked for it, and who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The value the fragment wants.
    pub value: Value,
    /// Where it says so.
    pub origin: Origin,
}

/// Why fragments cannot be read together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// A line that is neither an assignment, nor `# CONFIG_X is not set`, nor a comment.
    #[error("{origin}: `{text}` is not a Kconfig assignment")]
    NotAnAssignment {
        /// The line.
        origin: Origin,
        /// What stands there.
        text: String,
    },
    /// Two lines want different values of one symbol. The order of the files must not decide silently.
    #[error("{second}: `{symbol}` is asked to be `{wanted}`, but {first} asks for `{earlier}`")]
    Conflict {
        /// The symbol.
        symbol: String,
        /// The earlier request's place.
        first: Origin,
        /// The earlier value.
        earlier: Value,
        /// The later request's place.
        second: Origin,
        /// The later value.
        wanted: Value,
    },
}

/// What a set of fragments asks of a kernel, symbol by symbol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    symbols: BTreeMap<String, Request>,
}

impl Requests {
    /// Adds one fragment. `name` is used in messages only.
    ///
    /// # Errors
    /// [`FragmentError`] on the first line that cannot be read, or that contradicts an earlier one.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), FragmentError> {
        for (index, line) in text.lines().enumerate() {
            let origin = Origin {
                fragment: name.to_owned(),
                line: index + 1,
            };
            let Some((symbol, value)) = assignment(line) else {
                // A misspelt `is not set` would otherwise pass for a comment and ask for nothing.
                let names_a_symbol = line.starts_with("# CONFIG_");
                if line.trim().is_empty() || (line.starts_with('#') && !names_a_symbol) {
                    continue;
                }
                return Err(FragmentError::NotAnAssignment {
                    origin,
                    text: line.to_owned(),
                });
            };
            match self.symbols.get(symbol) {
                Some(earlier) if earlier.value != value => {
                    return Err(FragmentError::Conflict {
                        symbol: symbol.to_owned(),
                        first: earlier.origin.clone(),
                        earlier: earlier.value.clone(),
                        second: origin,
                        wanted: value,
                    });
                }
                Some(_) => {}
                None => {
                    self.symbols.insert(symbol.to_owned(), Request { value, origin });
                }
            }
        }
        Ok(())
    }

    /// Every request, by symbol.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Request)> {
        self.symbols
            .iter()
            .map(|(symbol, request)| (symbol.as_str(), request))
    }

    /// The requests as one file for `KCONFIG_ALLCONFIG` (`Documentation/kbuild/kconfig.rst`): sorted, without comments,
    /// so that reordering or rewording fragments does not change a kernel's identity.
    #[must_use]
    pub fn to_config(&self) -> String {
        let mut text = String::new();
        for (symbol, request) in &self.symbols {
            match &request.value {
                Value::Off => text.push_str(&format!("# {symbol} is not set\n")),
                Value::Set(value) => text.push_str(&format!("{symbol}={value}\n")),
            }
        }
        text
    }

    /// Holds a finished `.config` against every request.
    ///
    /// # Errors
    /// [`Unsatisfied`] with every symbol that came out otherwise.
    pub fn verify(&self, config: &Config) -> Result<(), Unsatisfied> {
        let mismatches: Vec<Mismatch> = self
            .symbols
            .iter()
            .filter(|(symbol, request)| config.get(symbol) != &request.value)
            .map(|(symbol, request)| Mismatch {
                symbol: symbol.clone(),
                asked: request.value.clone(),
                got: config.get(symbol).clone(),
                origin: request.origin.clone(),
            })
            .collect();
        if mismatches.is_empty() {
            Ok(())
        } else {
            Err(Unsatisfied { mismatches })
        }
    }
}

/// One symbol that Kconfig decided otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The symbol, with its prefix.
    pub symbol: String,
    /// What the fragment asked for.
    pub asked: Value,
    /// What the `.config` says.
    pub got: Value,
    /// Who asked.
    pub origin: Origin,
}

/// Requests that the finished `.config` does not honour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unsatisfied {
    /// All of them, by symbol; never empty.
    pub mismatches: Vec<Mismatch>,
}

impl fmt::Display for Unsatisfied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} config symbols did not come out as the fragments ask (a dependency is missing, or another symbol selects them):",
            self.mismatches.len()
        )?;
        for Mismatch {
            symbol,
            asked,
            got,
            origin,
        } in &self.mismatches
        {
            write!(f, "\n  {symbol}: asked `{asked}` ({origin}), got `{got}`")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(files: &[(&str, &str)]) -> Result<Requests, FragmentError> {
        let mut all = Requests::default();
        for (name, text) in files {
            all.add(name, text)?;
        }
        Ok(all)
    }

    #[test]
    fn merges_sorted_and_without_comments() {
        let all = requests(&[
            (
                "net.config",
                "# networking\n\nCONFIG_NET=y\n# CONFIG_IPV6 is not set\n",
            ),
            ("base.config", "CONFIG_64BIT=y\nCONFIG_NET=y\n"),
        ])
        .unwrap();
        assert_eq!(
            all.to_config(),
            "CONFIG_64BIT=y\n# CONFIG_IPV6 is not set\nCONFIG_NET=y\n"
        );
    }

    #[test]
    fn the_order_of_fragments_does_not_matter() {
        let (a, b) = (("a", "CONFIG_A=y\n"), ("b", "CONFIG_B=16\n"));
        assert_eq!(
            requests(&[a, b]).unwrap().to_config(),
            requests(&[b, a]).unwrap().to_config()
        );
    }

    #[test]
    fn a_contradiction_names_both_places() {
        let error = requests(&[
            ("net.config", "CONFIG_IPV6=y\n"),
            ("trims.config", "\n# CONFIG_IPV6 is not set\n"),
        ])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "trims.config:2: `CONFIG_IPV6` is asked to be `n`, but net.config:1 asks for `y`"
        );
    }

    #[test]
    fn a_line_that_asks_for_nothing_is_an_error() {
        for line in ["CONFIG_NET", "CONFIG_NET = y", "NET=y", "# CONFIG_NET is not st"] {
            let error = requests(&[("x.config", line)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("x.config:1: `{line}` is not a Kconfig assignment")
            );
        }
    }

    #[test]
    fn verification_lists_every_symbol_asked_and_got() {
        let all = requests(&[(
            "layers.config",
            "CONFIG_EROFS_FS=y\nCONFIG_OVERLAY_FS=y\n# CONFIG_SLUB_TINY is not set\n",
        )])
        .unwrap();
        assert_eq!(
            all.verify(&Config::parse("CONFIG_EROFS_FS=y\nCONFIG_OVERLAY_FS=y\n")),
            Ok(())
        );
        let error = all
            .verify(&Config::parse("CONFIG_OVERLAY_FS=m\nCONFIG_SLUB_TINY=y\n"))
            .unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("3 config symbols"), "{text}");
        assert!(
            text.contains("\n  CONFIG_EROFS_FS: asked `y` (layers.config:1), got `n`"),
            "{text}"
        );
        assert!(
            text.contains("\n  CONFIG_OVERLAY_FS: asked `y` (layers.config:2), got `m`"),
            "{text}"
        );
        assert!(
            text.contains("\n  CONFIG_SLUB_TINY: asked `n` (layers.config:3), got `y`"),
            "{text}"
        );
    }
}
