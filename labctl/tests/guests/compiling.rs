//! Real compilations, against the tree of the packaged kernel.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fs_err as fs;
use labctl::cbuild::{
    CodeAddress, Compiled, Compiler, KernelTree, ModuleSpec, ProgramSpec, Resolved, SourceSet,
};
use labctl::event::{Event, Events};
use labctl::sandbox::Limit;
use labctl::session::{KernelRecipe, Preparation};
use labctl::store::{Bucket, Store};
use labctl::supervise::Cancel;

use crate::workbench::{course, kernel, preparation};

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
    /// Compiles `src/NAME.c` beside the other files.
    fn beside(&self, name: &str, files: &[(&str, &str)]) -> Compiled {
        let mut sources = SourceSet::default();
        for (path, text) in files {
            sources.insert(path, *text).unwrap();
        }
        let module = ModuleSpec {
            name: name.to_owned(),
            sources: vec![format!("src/{name}.c")],
        };
        self.compiler
            .compile_module(&self.tree, &sources, &module, &Cancel::new())
            .unwrap()
    }

    fn module(&self, text: &str) -> Compiled {
        self.beside("mod", &[("src/mod.c", text)])
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
            .compile_program(&sources, &program, &Cancel::new())
            .unwrap()
    }
}

#[test]
fn a_good_module_is_built_once_and_found_again() {
    let Some(bench) = bench() else { return };
    let first = bench.beside("good", &[("src/good.c", GOOD)]);
    assert!(first.is_success(), "{}", first.log);
    let warning = first
        .warnings()
        .find(|warning| warning.option.as_deref() == Some("Wunused-variable"))
        .unwrap();
    assert_eq!(
        (warning.file.as_deref(), warning.line),
        (Some("src/good.c"), Some(11))
    );
    // A file that it cannot see is no reason to compile it again; one that it can is.
    let other = ("src/other.c", "int other;\n");
    let second = bench.beside("good", &[("src/good.c", GOOD), other]);
    assert!(second.cached && !first.cached);
    assert_eq!(second.diagnostics, first.diagnostics);
    assert_eq!(first.output, second.output);
    let header = ("src/other.h", "int other;\n");
    assert!(!bench.beside("good", &[("src/good.c", GOOD), header]).cached);
    let including = GOOD.replace("static int __init", "#include \"other.c\"\nstatic int __init");
    assert!(
        bench
            .beside("good", &[("src/good.c", &including), other])
            .is_success()
    );
}

#[test]
fn an_address_is_traced_back_to_its_line() {
    let Some(bench) = bench() else { return };
    let good = bench.beside("good", &[("src/good.c", GOOD)]);
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
        .symbolise(&good.output.unwrap(), &addresses, &Cancel::new())
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

const UNRESOLVED: (&str, &str) = (
    "static __attribute__((noipa))",
    "int labctl_no_such_function(int);\nstatic __attribute__((noipa))",
);

fn bad_modules() -> [String; 4] {
    let unresolved = GOOD.replace("10 / by", "labctl_no_such_function(by)");
    [
        GOOD.replace("10 / by", "10 / bye"),
        unresolved.replace(UNRESOLVED.0, UNRESOLVED.1),
        GOOD.replace("MODULE_LICENSE(\"GPL\");", ""),
        GOOD.replace("\"GPL\"", "\"Proprietary\"")
            .replace("return divide", "return register_kprobe(NULL) + divide")
            .replace("#include", "#include <linux/kprobes.h>\n#include"),
    ]
}

#[test]
fn what_is_wrong_with_a_module_is_said() {
    let Some(bench) = bench() else { return };
    let error = |text: &str| {
        let built = bench.module(text);
        assert!(built.output.is_none(), "{}", built.log);
        let error = built.errors().next().unwrap().clone();
        (error.file.unwrap(), error.line, error.message)
    };
    let [bad, unresolved, unlicensed, proprietary] = bad_modules();
    let (file, line, _) = error(&bad);
    assert_eq!((file.as_str(), line), ("src/mod.c", Some(6)));
    let (file, _, message) = error(&unresolved);
    assert_eq!(file, "mod.ko");
    assert!(message.contains("`labctl_no_such_function`"), "{message}");
    assert!(error(&unlicensed).2.contains("MODULE_LICENSE"));
    assert!(error(&proprietary).2.contains("under the GPL only"));
}

/// The same tree, with an option that makes the probes' commands differ in more than their names, so that it is left to
/// its own make; and what the user is told.
fn by_make(tree: &KernelTree) -> (KernelTree, Events, Arc<Mutex<Vec<String>>>) {
    let mut tree = tree.clone();
    tree.kernel_id.push_str("-by-make");
    let option = "-Dlabctl_twin_answer=labctl_probe".to_owned();
    tree.env.insert("KCFLAGS".to_owned(), option);
    let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = warnings.clone();
    let events = Events::new(move |event| {
        if let Event::Warning { text } = event {
            sink.lock().unwrap().push(text);
        }
    });
    (tree, events, warnings)
}

/// Compiles each source with the commands and with make, which has to come to the same.
fn commands_and_make_agree(bench: &mut Bench, sources: &[(String, String)]) {
    let compile = |bench: &Bench| -> Vec<Compiled> {
        let each = |(name, text): &(String, String)| bench.beside(name, &[(&format!("src/{name}.c"), text)]);
        sources.iter().map(each).collect()
    };
    let (by_make, events, warnings) = by_make(&bench.tree);
    bench.compiler.events = events;
    let replayed = compile(bench);
    assert_eq!(*warnings.lock().unwrap(), [] as [String; 0]);
    bench.tree = by_make;
    let made = compile(bench);
    let told = warnings.lock().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("by the kernel's own make"), "{told:?}");
    for (((name, _), replayed), made) in sources.iter().zip(&replayed).zip(&made) {
        assert_eq!(replayed.diagnostics, made.diagnostics, "{name}: {}", replayed.log);
        let bytes = |compiled: &Compiled| compiled.output.as_ref().map(|file| fs::read(file).unwrap());
        assert!(bytes(replayed) == bytes(made), "{name} differs: {}", replayed.log);
    }
}

/// Modules of the course, and labctl's witness.
fn courses_modules() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    [
        "labs/module7/src/send_trace",
        "labs/module7/src/recv_trace",
        "labs/module7/src/args_trace",
        "labs/module7/src/copy_time",
        "guest-tools/kmod/witness",
    ]
    .iter()
    .map(|path| {
        let name = path.rsplit('/').next().unwrap().to_owned();
        (name, fs::read_to_string(root.join(format!("{path}.c"))).unwrap())
    })
    .collect()
}

#[test]
fn commands_give_what_the_packaged_kernels_make_gives() {
    let Some(mut bench) = bench() else { return };
    let mut sources = courses_modules();
    for (number, text) in bad_modules().into_iter().enumerate() {
        sources.push((format!("bad{number}"), text));
    }
    // Exported symbols have versions there, made by a program that only make knows how to run.
    let exporting = GOOD.replace("module_init", "EXPORT_SYMBOL_GPL(divide);\nmodule_init");
    sources.push((
        "exporting".to_owned(),
        exporting.replace("static __attr", "int divide(int by);\n__attr"),
    ));
    sources.push(("versioned".to_owned(), format!("{GOOD}MODULE_VERSION(\"1\");\n")));
    commands_and_make_agree(&mut bench, &sources);
}

#[test]
fn commands_give_what_the_built_kernels_make_gives() {
    let Some(mut bench) = bench() else { return };
    let Some(preparation) = preparation() else { return };
    let files = course();
    let recipe = KernelRecipe::read(&files, "lab-6.12").unwrap();
    let lock = recipe.lock(&files).unwrap();
    let id = Preparation::kernel_id(&recipe, &lock, &preparation.store).to_string();
    if !preparation.store.has(Bucket::Kernels, &id) {
        crate::skip("lab-6.12 is not built");
        return;
    }
    let kernel = preparation.kernel(&recipe, &lock).unwrap();
    let compiler = preparation.compiler(&kernel).unwrap();
    bench.compiler.toolchain = compiler.toolchain;
    bench.tree = kernel.kernel.tree;
    let mut sources = courses_modules();
    sources.push(("versioned".to_owned(), format!("{GOOD}MODULE_VERSION(\"1\");\n")));
    commands_and_make_agree(&mut bench, &sources);
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
    assert!(!built.is_success());
    assert!(
        !built.log.contains("top_secret") && !built.log.contains("root:"),
        "{}",
        built.log
    );
    let incbin = format!(
        "asm(\".incbin \\\"{}\\\"\");\nint main(void) {{ return 0; }}\n",
        secret.path().display()
    );
    assert!(!bench.program(&incbin).is_success());
    let mounts = bench.program("#include \"/proc/self/mountinfo\"\nint main(void) { return 0; }\n");
    assert!(mounts.log.contains("No such file"), "{}", mounts.log);
}

#[test]
fn sources_that_never_end_are_stopped() {
    let Some(mut bench) = bench() else { return };
    bench.compiler.budget = Duration::from_secs(20);
    // Infinite inclusion: gcc stops by itself at a depth of 200.
    let looped = bench.program("#include \"prog.c\"\n");
    assert!(!looped.is_success());
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
    let bytes = fs::read(built.output.unwrap()).unwrap();
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
