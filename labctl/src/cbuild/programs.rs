//! Programs for the guest: static, so that they need nothing of the image.

use std::path::Path;

use fs_err as fs;

use super::WORKSPACE;
use super::compiled::Compiled;
use super::compiler::{Attempt, CompileError, Compiler, check_name};
use super::sources::SourceSet;
use crate::supervise::Cancel;

/// Changes when the same sources would give other programs.
const RECIPE: &str = "programs/2";
/// The output's folder, which no source can be in: sources are not allowed a leading dot.
const OUT: &str = ".out";

/// A program to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramSpec {
    pub name: String,
    /// Paths in the [`SourceSet`].
    pub sources: Vec<String>,
    /// More options for gcc, from the course, never from the student.
    pub flags: Vec<String>,
}

impl Compiler {
    /// Compiles and links `program`.
    ///
    /// # Errors
    /// As [`Compiler::compile_module`].
    pub fn compile_program(
        &self,
        sources: &SourceSet,
        program: &ProgramSpec,
        cancel: &Cancel,
    ) -> Result<Compiled, CompileError> {
        check_name(&program.name)?;
        if let Some(path) = program.sources.iter().find(|path| !sources.contains(path)) {
            return Err(CompileError::NoSource {
                name: program.name.clone(),
                path: path.clone(),
            });
        }
        let visible = sources.visible_to(&program.sources);
        let key = self
            .key(RECIPE, &visible)
            .input("program", &program.name)
            .input("sources", program.sources.join(" "))
            .input("flags", program.flags.join(" "));
        self.cached(key.finish(), &visible, cancel, |dir| {
            self.link(program, dir, cancel)
        })
    }

    fn link(&self, program: &ProgramSpec, dir: &Path, cancel: &Cancel) -> Result<Attempt, CompileError> {
        fs::create_dir(dir.join(OUT)).map_err(CompileError::io("make the output folder"))?;
        let sandbox = self.sandbox()?.writable(dir, WORKSPACE).workdir(WORKSPACE);
        let output = format!("{OUT}/{}", program.name);
        let mut argv = vec![
            "gcc",
            "-std=gnu11",
            "-O2",
            "-g",
            "-Wall",
            "-static",
            "-fdiagnostics-color=never",
            "-o",
            &output,
        ];
        argv.extend(program.flags.iter().map(String::as_str));
        argv.extend(program.sources.iter().map(String::as_str));
        let finished = self.run(&sandbox, &argv, &self.limits(), cancel)?;
        let mut attempt = Attempt::default();
        attempt.absorb(&finished);
        if finished.outcome.is_success() {
            attempt.built = Some(output);
        } else {
            attempt.diagnostics.extend(linker_errors(&finished.stderr));
        }
        Ok(attempt)
    }
}

/// `…: undefined reference to `foo'`, which the linker gives without gcc's form.
fn linker_errors(stderr: &str) -> Vec<super::diagnostic::Diagnostic> {
    let mut errors = Vec::new();
    for line in stderr.lines() {
        let Some((_, rest)) = line.split_once("undefined reference to `") else {
            continue;
        };
        let symbol = rest.trim_end_matches('\'');
        let file = line.split(':').find_map(|part| {
            let part = part.trim();
            part.ends_with(".c")
                .then(|| super::diagnostic::student_path(part).to_owned())
        });
        let message = format!("`{symbol}` is used but defined nowhere");
        let error = super::diagnostic::Diagnostic::error(file, message);
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_linkers_words() {
        let stderr = "/usr/bin/ld: /tmp/ccX.o: in function `main':\n\
                      /workspace/src/sender.c:9:(.text.startup+0x9): undefined reference to `socket_open'\n\
                      collect2: error: ld returned 1 exit status\n";
        let errors = linker_errors(stderr);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].file.as_deref(), Some("src/sender.c"));
        assert!(errors[0].message.contains("`socket_open`"));
    }
}
