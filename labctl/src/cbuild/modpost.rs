//! What modpost (the kernel's `scripts/mod/modpost.c`, the link step of a module) said, in words that a student can
//! act on.

use super::diagnostic::{Diagnostic, Severity, student_path};

/// Reads one line of modpost's.
pub(super) fn parse_modpost(line: &str) -> Option<Diagnostic> {
    let (severity, text) = if let Some(text) = line.strip_prefix("ERROR: modpost: ") {
        (Severity::Error, text)
    } else if let Some(text) = line.strip_prefix("WARNING: modpost: ") {
        (Severity::Warning, text)
    } else {
        return None;
    };
    let message = explain(text).unwrap_or_else(|| text.to_owned());
    Some(Diagnostic {
        severity,
        ..Diagnostic::error(module_of(text), message)
    })
}

/// The module that a line is about.
fn module_of(text: &str) -> Option<String> {
    let word = text
        .split([' ', '[', ']', ':', ','])
        .find(|word| word.ends_with(".ko") || word.ends_with(".o"))?;
    let name = student_path(word).rsplit('/').next()?;
    let (stem, _) = name.rsplit_once('.')?;
    Some(format!("{stem}.ko"))
}

fn explain(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix('"')
        && let Some((symbol, rest)) = rest.split_once('"')
        && rest.ends_with("undefined!")
    {
        return Some(format!(
            "`{symbol}` is used but defined nowhere: it is misspelt, not exported to modules by this kernel, or its \
             definition is missing"
        ));
    }
    if text.starts_with("missing MODULE_LICENSE()") {
        return Some(
            "MODULE_LICENSE() is missing; kprobes are for modules under the GPL: MODULE_LICENSE(\"GPL\")"
                .to_owned(),
        );
    }
    if text.starts_with("missing MODULE_DESCRIPTION()") {
        return Some("MODULE_DESCRIPTION() is missing".to_owned());
    }
    if let Some((_, symbol)) = text.split_once("uses GPL-only symbol '") {
        let symbol = symbol.trim_end_matches('\'');
        return Some(format!(
            "`{symbol}` is for modules under the GPL only: MODULE_LICENSE(\"GPL\")"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, severity: Severity, module: &str, part: &str) {
        let diagnostic = parse_modpost(line).unwrap();
        assert_eq!(diagnostic.severity, severity, "{line}");
        assert_eq!(diagnostic.file.as_deref(), Some(module), "{line}");
        assert!(diagnostic.message.contains(part), "{}", diagnostic.message);
    }

    #[test]
    fn names_the_module_and_says_what_to_do() {
        check(
            "ERROR: modpost: \"kallsyms_lookup_name\" [/workspace/send_trace.ko] undefined!",
            Severity::Error,
            "send_trace.ko",
            "`kallsyms_lookup_name` is used but defined nowhere",
        );
        check(
            "ERROR: modpost: missing MODULE_LICENSE() in /workspace/recv_trace.o",
            Severity::Error,
            "recv_trace.ko",
            "MODULE_LICENSE(\"GPL\")",
        );
        check(
            "ERROR: modpost: GPL-incompatible module send_trace.ko uses GPL-only symbol 'register_kprobe'",
            Severity::Error,
            "send_trace.ko",
            "`register_kprobe` is for modules under the GPL",
        );
        check(
            "WARNING: modpost: missing MODULE_DESCRIPTION() in send_trace.o",
            Severity::Warning,
            "send_trace.ko",
            "missing",
        );
    }

    #[test]
    fn other_lines_are_not_modposts() {
        assert_eq!(
            parse_modpost("make: *** [Makefile:224: __sub-make] Error 2"),
            None
        );
    }
}
