//! Which functions of a kernel a kprobe may be put on.

use std::collections::{BTreeMap, BTreeSet};

use crate::spec::suggest::did_you_mean;

/// Sections that kprobes keep out of, as `<name>_start` and `<name>_end` in the symbol table (`kernel/kprobes.c`,
/// `populate_kprobe_blacklist`; `arch/x86/kernel/kprobes/core.c`, `arch_populate_kprobe_blacklist`).
const FORBIDDEN_SECTIONS: &[&str] = &["__kprobes_text", "__noinstr_text", "__entry_text"];

/// What `NOKPROBE_SYMBOL(f)` leaves in the symbol table, with the function's name behind it.
const NOKPROBE: &str = "_kbl_addr_";

/// A kernel's symbol table.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    /// By name; a static function's name may stand for several.
    by_name: BTreeMap<String, Vec<(u64, char)>>,
    forbidden: BTreeSet<String>,
    ranges: Vec<(u64, u64)>,
}

impl Symbols {
    /// Reads `System.map` or `/proc/kallsyms`: address, type and name per line. Lines of other shapes, and those of
    /// modules, are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut symbols = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(address), Some(kind), Some(name), None) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            let (Ok(address), Some(kind)) = (u64::from_str_radix(address, 16), kind.chars().next()) else {
                continue;
            };
            if let Some(function) = name.strip_prefix(NOKPROBE) {
                symbols.forbidden.insert(function.to_owned());
            }
            symbols
                .by_name
                .entry(name.to_owned())
                .or_default()
                .push((address, kind));
        }
        for section in FORBIDDEN_SECTIONS {
            let edge = |edge: &str| {
                let found = symbols.by_name.get(&format!("{section}_{edge}"))?;
                found.first().map(|(address, _)| *address)
            };
            if let (Some(start), Some(end)) = (edge("start"), edge("end")) {
                symbols.ranges.push((start, end));
            }
        }
        symbols
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Why a kprobe on `name` would be refused; `None` when it would not.
    #[must_use]
    pub fn refusal(&self, name: &str) -> Option<String> {
        let Some(found) = self.by_name.get(name) else {
            let variant = format!("{name}.");
            let variants: Vec<&str> = self
                .by_name
                .range(variant.clone()..)
                .map(|(name, _)| name.as_str())
                .take_while(|name| name.starts_with(&variant))
                .collect();
            if !variants.is_empty() {
                return Some(format!(
                    "the compiler made another function of it: {}",
                    variants.join(", ")
                ));
            }
            let functions = self
                .by_name
                .iter()
                .filter(|(_, found)| found.iter().any(|(_, kind)| is_code(*kind)))
                .map(|(name, _)| name.as_str());
            return Some(format!(
                "this kernel has no such function{}",
                did_you_mean(name, functions)
            ));
        };
        let Some((address, _)) = found.iter().find(|(_, kind)| is_code(*kind)) else {
            return Some("it is data, not a function".to_owned());
        };
        let within = |(start, end): &(u64, u64)| (*start..*end).contains(address);
        if self.forbidden.contains(name) || self.ranges.iter().any(within) {
            return Some(
                "the kernel does not let it be probed (it is used by the probes themselves)".to_owned(),
            );
        }
        None
    }
}

fn is_code(kind: char) -> bool {
    matches!(kind, 't' | 'T' | 'w' | 'W')
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
ffffffff81000000 T _text
ffffffff81225ad0 t do_sys_openat2
ffffffff8130fce0 T _copy_from_iter
ffffffff81400000 t skb_release.isra.0
ffffffff81500000 T __noinstr_text_start
ffffffff81500010 t exc_page_fault
ffffffff81500020 T __noinstr_text_end
ffffffff81510000 T kprobe_dispatcher
ffffffff82000000 D jiffies
ffffffff82100000 d _kbl_addr_kprobe_dispatcher
";

    #[test]
    fn a_function_can_be_probed_and_what_is_none_cannot() {
        let symbols = Symbols::parse(MAP);
        assert_eq!(symbols.refusal("do_sys_openat2"), None);
        assert_eq!(symbols.refusal("_copy_from_iter"), None);
        for (name, why) in [
            ("_copy_from_itre", "did you mean `_copy_from_iter`?"),
            ("jiffies", "data"),
            ("exc_page_fault", "does not let it be probed"),
            ("kprobe_dispatcher", "does not let it be probed"),
            ("skb_release", "skb_release.isra.0"),
        ] {
            let refusal = symbols.refusal(name).unwrap();
            assert!(refusal.contains(why), "{name}: {refusal}");
        }
    }

    #[test]
    fn symbols_of_modules_are_not_the_kernels() {
        let symbols = Symbols::parse("ffffffffc0000000 t witness_init\t[witness]\n");
        assert!(symbols.is_empty());
    }
}
