//! The functions that sources and scripts put probes on.

use super::report::{Item, Problem};
use super::symbols::Symbols;
use crate::spec::course::Module;
use crate::spec::files::CourseFiles;

/// A probe as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Probe {
    line: u32,
    column: u32,
    function: String,
}

pub(super) fn of(module: &Module, files: &CourseFiles, symbols: Option<&Symbols>) -> Item {
    const NAME: &str = "probed-functions";
    let folder = format!("labs/{}/", module.id);
    let mut probes: Vec<(String, Probe)> = Vec::new();
    for path in files.under(&folder) {
        let Ok(Some(text)) = files.text(path) else {
            continue;
        };
        let inside = &path[folder.len()..];
        let found = if inside.starts_with("src/") && path.ends_with(".c") {
            in_c(text)
        } else if inside.starts_with("commands/") || inside.starts_with("exercises/") {
            in_script(text)
        } else {
            continue;
        };
        probes.extend(found.into_iter().map(|probe| (path.to_owned(), probe)));
    }
    if probes.is_empty() {
        return Item::judged(NAME, module.id.as_str(), "no probes", Vec::new());
    }
    let Some(symbols) = symbols else {
        let why = format!(
            "{} probes: the kernel {} is not built here (labctl kernel build {}, or --live)",
            probes.len(),
            module.kernel,
            module.kernel
        );
        return Item::not_run(NAME, module.id.as_str(), why);
    };
    let problems = probes
        .iter()
        .filter_map(|(path, probe)| {
            let refusal = symbols.refusal(&probe.function)?;
            let what = format!("no probe on `{}` on {}: {refusal}", probe.function, module.kernel);
            let help = "choose another function; /proc/kallsyms in the guest has those there are";
            Some(Problem::at(path, probe.line, probe.column, what, help))
        })
        .collect();
    let detail = format!("{} probes can be set on {}", probes.len(), module.kernel);
    Item::judged(NAME, module.id.as_str(), detail, problems)
}

/// `symbol_name = "f"`, also through a `#define`.
fn in_c(text: &str) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("//@") {
            continue;
        }
        let Some(at) = line.find("symbol_name") else {
            continue;
        };
        let rest = line[at + "symbol_name".len()..].trim_start();
        let Some(value) = rest.strip_prefix('=') else {
            continue;
        };
        let value = value.trim_start();
        let function = match value.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().map(str::to_owned),
            None => defined(text, word(value)),
        };
        if let Some(function) = function.filter(|function| !function.is_empty()) {
            probes.push(probe(index, line, at, function));
        }
    }
    probes
}

/// The text that `#define name "…"` gives.
fn defined(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix("#define")?.trim_start();
        let value = rest.strip_prefix(name)?.trim_start().strip_prefix('"')?;
        value.split('"').next().map(str::to_owned)
    })
}

/// What bpftrace, `perf probe` and the tracing files are given.
fn in_script(text: &str) -> Vec<Probe> {
    const BPFTRACE: &[&str] = &[
        "kprobe:",
        "kretprobe:",
        "fentry:",
        "fexit:",
        "kfunc:",
        "kretfunc:",
    ];
    let mut probes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.starts_with('#') || trimmed.starts_with("//") {
            continue;
        }
        for prefix in BPFTRACE {
            for (at, _) in line.match_indices(prefix) {
                // `kprobe:` is also the end of no longer name.
                if line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
                    continue;
                }
                let rest = &line[at + prefix.len()..];
                let rest = rest.strip_prefix("vmlinux:").unwrap_or(rest);
                let function = word(rest);
                // A pattern takes what there is.
                let is_pattern = rest[function.len()..].starts_with(['*', '?', '{', '$']);
                if !function.is_empty() && !is_pattern {
                    probes.push(probe(index, line, at, function.to_owned()));
                }
            }
        }
        if let Some(at) = line.find("perf probe") {
            probes.extend(
                perf(&line[at + "perf probe".len()..]).map(|function| probe(index, line, at, function)),
            );
        }
        if line.contains("kprobe_events") || line.contains("dynamic_events") {
            probes.extend(event(line).map(|function| probe(index, line, 0, function)));
        }
    }
    probes
}

/// `[EVENT=]FUNCTION[+OFFSET][%return] [ARGUMENT…]` after `perf probe` and its options.
fn perf(rest: &str) -> Option<String> {
    let mut words = rest.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
    let mut definition = words.next()?;
    while definition.starts_with('-') {
        if definition.starts_with("-d") || definition.starts_with("--del") || definition.starts_with("-l") {
            return None;
        }
        definition = match definition.strip_prefix("--add=") {
            Some(given) => given.trim_matches(['\'', '"']),
            None => words.next()?,
        };
        if !definition.starts_with('-') {
            break;
        }
    }
    let function = definition
        .split_once('=')
        .map_or(definition, |(_, function)| function);
    let function = word(function);
    (!function.is_empty()).then(|| function.to_owned())
}

/// `p[:[GROUP/]EVENT] FUNCTION …` and `r…` of the tracing files.
fn event(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().map(|word| word.trim_matches(['\'', '"']));
    words.find(|word| *word == "p" || *word == "r" || word.starts_with("p:") || word.starts_with("r:"))?;
    let function = word(words.next()?);
    (!function.is_empty()).then(|| function.to_owned())
}

/// The identifier at the start of `text`.
fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}

fn probe(index: usize, line: &str, at: usize, function: String) -> Probe {
    Probe {
        line: u32::try_from(index + 1).unwrap_or(u32::MAX),
        column: u32::try_from(line[..at].chars().count() + 1).unwrap_or(u32::MAX),
        function,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions(probes: &[Probe]) -> Vec<&str> {
        probes.iter().map(|probe| probe.function.as_str()).collect()
    }

    #[test]
    fn in_c_by_name_and_by_macro() {
        let text = "#define TRACED \"udp_rcv\"\nstatic struct kprobe a = {\n\t.symbol_name = \"ip_rcv\",\n};\n\
                    static struct kretprobe b = { .kp.symbol_name = TRACED };\n//@ \t.symbol_name = \"todo\",\n";
        let probes = in_c(text);
        assert_eq!(functions(&probes), ["ip_rcv", "udp_rcv"]);
        assert_eq!((probes[0].line, probes[0].column), (3, 3));
    }

    #[test]
    fn in_the_tools_own_words() {
        let text = "kprobe:_copy_to_iter, kretprobe:udp_recvmsg { }\nfentry:vmlinux:tcp_sendmsg { }\nkprobe:tcp_* { }\n\
                    perf probe --add '_copy_from_iter bytes=%si'\nperf probe -q -a copied=_copy_to_iter%return\n\
                    perf probe --del '*'\necho 'p:mine do_sys_openat2 +0(%si):string' >> /sys/kernel/tracing/kprobe_events\n\
                    # kprobe:in_a_comment\n";
        assert_eq!(
            functions(&in_script(text)),
            [
                "_copy_to_iter",
                "udp_recvmsg",
                "tcp_sendmsg",
                "_copy_from_iter",
                "_copy_to_iter",
                "do_sys_openat2"
            ]
        );
    }
}
