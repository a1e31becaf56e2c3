//! A place in kernel code, as `%pS` prints it: `symbol+0xoffset/0xsize [module]`.

use std::fmt;

use crate::text::leading_hex;

/// A symbol and an offset into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeLoc {
    pub symbol: String,
    /// Bytes from the start of the symbol. A frame's is that of the return address, one past the call.
    pub offset: u64,
    /// Bytes that the symbol has.
    pub size: u64,
    /// `None` for the kernel's own code.
    pub module: Option<String>,
}

impl CodeLoc {
    /// Reads one at the start of `text`; returns what follows it.
    pub(crate) fn parse_prefix(text: &str) -> Option<(Self, &str)> {
        let plus = text.find("+0x")?;
        let symbol = &text[..plus];
        if symbol.is_empty() || symbol.contains(|c: char| c.is_whitespace() || c == ':' || c == '[') {
            return None;
        }
        let (offset, rest) = leading_hex(&text[plus + 1..])?;
        let (size, rest) = leading_hex(rest.strip_prefix('/')?)?;
        let (module, rest) = match rest.strip_prefix(" [").and_then(|inner| inner.split_once(']')) {
            // A build id may follow the module's name (`CONFIG_STACKTRACE_BUILD_ID`).
            Some((inner, after)) => (inner.split(' ').next(), after),
            None => (None, rest),
        };
        let module = module.filter(|name| is_module_name(name)).map(str::to_owned);
        Some((
            Self {
                symbol: symbol.to_owned(),
                offset,
                size,
                module,
            },
            rest,
        ))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::parse_prefix(text).map(|(loc, _)| loc)
    }
}

impl fmt::Display for CodeLoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}/{:#x}", self.symbol, self.offset, self.size)?;
        match &self.module {
            Some(module) => write!(f, " [{module}]"),
            None => Ok(()),
        }
    }
}

pub(crate) fn is_module_name(name: &str) -> bool {
    // `MODULE_NAME_LEN` in `include/linux/moduleparam.h` is 56 on 64-bit kernels.
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read() {
        let loc = CodeLoc::parse("handler_send+0x12/0x40 [send_trace]").unwrap();
        assert_eq!(
            (loc.symbol.as_str(), loc.offset, loc.size),
            ("handler_send", 0x12, 0x40)
        );
        assert_eq!(loc.module.as_deref(), Some("send_trace"));
        assert_eq!(loc.to_string(), "handler_send+0x12/0x40 [send_trace]");
        let loc = CodeLoc::parse("f.constprop.0+0x0/0x9 [m 0123456789abcdef]").unwrap();
        assert_eq!(loc.module.as_deref(), Some("m"));
        assert_eq!(CodeLoc::parse("do_syscall_64+0x82/0x190").unwrap().module, None);
    }

    #[test]
    fn other_text_is_not_a_location() {
        for text in [
            "",
            "+0x1/0x2",
            "foo+0x",
            "foo+0x1",
            "foo bar+0x1/0x2",
            "0xffffffffc0201010",
            "foo+1/2",
        ] {
            assert_eq!(CodeLoc::parse(text), None, "{text}");
        }
    }
}
