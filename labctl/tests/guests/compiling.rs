//! Real compilations, against the tree of the packaged kernel.

use std::time::Duration;

use fs_err as fs;
use labctl::cbuild::{
    CodeAddress, Compiled, Compiler, KernelTree, ModuleSpec, ProgramSpec, Resolved, SourceSet,
};
use labctl::sandbox::Limit;
use labctl::store::Store;
use labctl::supervise::Cancel;

use crate::workbench::{kernel, preparation};

struct Bench {
    compiler: Compiler,
    tree: KernelTree,
    _store: tempfile::TempDir,
}

fn bench() -> Option<Bench> {
    let preparation = preparation()?;
    let kernel = kernel(&preparation);
    let store_dir = tempfile::tempdir().unwrap();
    Some(Bench {
        compiler: Compiler {
            // Nothing of an earlier test is found there.
            store: Store::open(store_dir.path()).unwrap(),
            budget: Duration::from_secs(120),
            ..preparation.compiler(&kernel).unwrap()
        },
        tree: kernel.kernel.tree,
        _store: store_dir,
    })
}

const GOOD: &str = r#"#include <linux/module.h>

static __attribute__((noipa)) int divide(int by)
{
	pr_info("by %d\n", by);
	return 10 / by;
}

static int __init good_init(void)
{
	int unused;

	return divide(current->pid) > 100;
}
module_init(good_init);
MODULE_DESCRIPTION("test");
MODULE_LICENSE("GPL");
"#;

impl Bench {
    fn modules(&self, files: &[(&str, &str)]) -> Compiled {
        let mut sources = SourceSet::default();
        let mut modules = Vec::new();
        for (name, text) in files {
            let path = format!("src/{name}.c");
            sources.insert(&path, *text).unwrap();
            modules.push(ModuleSpec {
                name: (*name).to_owned(),
                sources: vec![path],
            });
        }
        self.compiler
            .compile_modules(&self.tree, &sources, &modules, &Cancel::new())
            .unwrap()
    }

    fn program(&self, text: &str) -> Compiled {
        let mut sources = SourceSet::default();
        sources.insert("src/prog.c", text).unwrap();
        let program = ProgramSpec {
            name: "prog".to_owned(),
            sources: vec!["src/prog.c".to_owned()],
            flags: Vec::new(),
        };
        self.compiler
            .compile_programs(&sources, &[program], &Cancel::new())
            .unwrap()
    }
}

#[test]
fn a_good_module_is_built_once_and_found_again() {
    let Some(bench) = bench() else { return };
    let first = bench.modules(&[("good", GOOD)]);
    assert!(first.is_success(), "{}", first.log);
    let warning = first
        .warnings()
        .find(|warning| warning.option.as_deref() == Some("Wunused-variable"))
        .unwrap();
    assert_eq!(
        (warning.file.as_deref(), warning.line),
        (Some("src/good.c"), Some(11))
    );
    let second = bench.modules(&[("good", GOOD)]);
    assert!(second.cached && !first.cached);
    assert_eq!(second.diagnostics, first.diagnostics);
    assert_eq!(
        fs::read(&first.outputs["good"]).unwrap(),
        fs::read(&second.outputs["good"]).unwrap()
    );
}

#[test]
fn an_address_is_traced_back_to_its_line() {
    let Some(bench) = bench() else { return };
    let good = bench.modules(&[("good", GOOD)]);
    let address = |symbol: &str, offset| CodeAddress {
        symbol: symbol.to_owned(),
        offset,
        size: None,
        is_return_address: false,
    };
    // The two kinds of text sections of a module: `.text` and `.init.text`.
    let addresses = [
        address("divide", 4),
        address("init_module", 1),
        address("nowhere", 0),
    ];
    let found = bench
        .compiler
        .symbolise(&good.outputs["good"], &addresses, &Cancel::new())
        .unwrap();
    let divide = found[0].student_frame().unwrap();
    assert_eq!(
        (divide.function.as_str(), divide.file.as_str()),
        ("divide", "src/good.c")
    );
    assert!((4..=7).contains(&divide.line), "{divide:?}");
    let init = found[1].student_frame().unwrap();
    assert_eq!(init.file, "src/good.c");
    assert!((10..=15).contains(&init.line), "{init:?}");
    assert_eq!(found[2], Resolved::default());
}

#[test]
fn one_bad_module_does_not_sink_the_others() {
    let Some(bench) = bench() else { return };
    let bad = GOOD.replace("10 / by", "10 / bye");
    let unresolved = GOOD.replace("10 / by", "labctl_no_such_function(by)").replace(
        "static __attribute__((noipa))",
        "int labctl_no_such_function(int);\nstatic __attribute__((noipa))",
    );
    let unlicensed = GOOD.replace("MODULE_LICENSE(\"GPL\");", "");
    let built = bench.modules(&[
        ("good", GOOD),
        ("bad", &bad),
        ("unresolved", &unresolved),
        ("unlicensed", &unlicensed),
    ]);
    assert_eq!(
        built.outputs.keys().collect::<Vec<_>>(),
        ["good"],
        "{}",
        built.log
    );
    let error_in = |file: &str| {
        built
            .errors()
            .find(|error| error.file.as_deref() == Some(file))
            .unwrap()
    };
    assert_eq!(error_in("src/bad.c").line, Some(6));
    assert!(
        error_in("unresolved.ko")
            .message
            .contains("`labctl_no_such_function`")
    );
    assert!(error_in("unlicensed.ko").message.contains("MODULE_LICENSE"));
}

#[test]
fn nothing_of_the_host_can_be_read() {
    let Some(bench) = bench() else { return };
    let secret = tempfile::NamedTempFile::new().unwrap();
    fs::write(secret.path(), "int top_secret_of_the_host;").unwrap();
    let include = format!(
        "#include \"{}\"\n#include \"/etc/passwd\"\nint main(void) {{ return 0; }}\n",
        secret.path().display()
    );
    let built = bench.program(&include);
    assert!(built.failed.contains("prog"));
    assert!(
        !built.log.contains("top_secret") && !built.log.contains("root:"),
        "{}",
        built.log
    );
    let incbin = format!(
        "asm(\".incbin \\\"{}\\\"\");\nint main(void) {{ return 0; }}\n",
        secret.path().display()
    );
    assert!(bench.program(&incbin).failed.contains("prog"));
    let mounts = bench.program("#include \"/proc/self/mountinfo\"\nint main(void) { return 0; }\n");
    assert!(mounts.log.contains("No such file"), "{}", mounts.log);
}

#[test]
fn sources_that_never_end_are_stopped() {
    let Some(mut bench) = bench() else { return };
    bench.compiler.budget = Duration::from_secs(20);
    // Infinite inclusion: gcc stops by itself at a depth of 200.
    let looped = bench.program("#include \"prog.c\"\n");
    assert!(looped.failed.contains("prog"));
    // A macro of 2^60 tokens.
    let mut bomb = String::from("#define A0 x x\n");
    for level in 1..60 {
        bomb.push_str(&format!("#define A{level} A{} A{}\n", level - 1, level - 1));
    }
    bomb.push_str("int y[] = { A59 };\nint main(void) { return 0; }\n");
    let stopped = bench.program(&bomb);
    assert!(!stopped.is_success());
    // Endless input.
    let endless = bench.program("#include \"/dev/zero\"\n");
    assert!(!endless.is_success());
    // Endless messages.
    let mut noisy = String::from(
        "#define W _Pragma(\"GCC warning \\\"all work and no play makes a dull compiler\\\"\")\n#define A0 W W\n",
    );
    for level in 1..30 {
        noisy.push_str(&format!("#define A{level} A{} A{}\n", level - 1, level - 1));
    }
    noisy.push_str("A29\nint main(void) { return 0; }\n");
    let noisy = bench.program(&noisy);
    assert!(
        matches!(noisy.limit, Some(Limit::Output | Limit::Time | Limit::Memory)),
        "{:?}",
        noisy.limit
    );
}

#[test]
fn a_program_is_static_and_its_errors_are_the_students() {
    let Some(bench) = bench() else { return };
    // The packages' own scripts, which make such links, are never run.
    let compiler = fs::read_link(bench.compiler.toolchain.get().unwrap().root().join("usr/bin/cc")).unwrap();
    assert_eq!(compiler.to_str(), Some("gcc"));
    let built = bench.program("#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n");
    assert!(built.is_success(), "{}", built.log);
    let bytes = fs::read(&built.outputs["prog"]).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    assert!(object::Object::section_by_name(&file, ".interp").is_none());
    let bad = bench.program("int main(void) {\n\tclose(3);\n\treturn 0;\n}\n");
    let error = bad.errors().next().unwrap();
    assert_eq!((error.file.as_deref(), error.line), (Some("src/prog.c"), Some(2)));
    let unlinked = bench.program("int elsewhere(void);\nint main(void) { return elsewhere(); }\n");
    assert!(
        unlinked
            .errors()
            .any(|error| error.message.contains("`elsewhere`")),
        "{}",
        unlinked.log
    );
}
