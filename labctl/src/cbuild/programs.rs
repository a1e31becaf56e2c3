//! Programs for the guest: static, so that they need nothing of the image.

use std::path::Path;

use fs_err as fs;

use super::WORKSPACE;
use super::compiled::Compiled;
use super::compiler::{Attempt, CompileError, Compiler, check_name};
use super::sources::SourceSet;
use crate::sandbox::Limits;
use crate::supervise::Cancel;

/// Changes when the same sources would give other programs.
const RECIPE: &str = "programs/1";
/// Folder of the outputs, which no source can be in: sources are not allowed a leading dot.
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
    /// Compiles and links each of `programs`; one that fails does not keep the others from being built.
    ///
    /// # Errors
    /// As [`Compiler::compile_modules`].
    pub fn compile_programs(
        &self,
        sources: &SourceSet,
        programs: &[ProgramSpec],
        cancel: &Cancel,
    ) -> Result<Compiled, CompileError> {
        for program in programs {
            check_name(&program.name)?;
            if let Some(path) = program.sources.iter().find(|path| !sources.contains(path)) {
                return Err(CompileError::NoSource {
                    name: program.name.clone(),
                    path: path.clone(),
                });
            }
        }
        // All of them within one compilation's time.
        let limits = self.limits();
        let mut all: Option<Compiled> = None;
        for program in programs {
            let one = self.compile_program(sources, program, &limits, cancel)?;
            let is_limited = one.limit.is_some();
            all = Some(match all {
                None => one,
                Some(before) => before.and(one),
            });
            if is_limited {
                break;
            }
        }
        Ok(all.unwrap_or_default())
    }

    /// Each by itself: who changes one program does not wait for the others.
    fn compile_program(
        &self,
        sources: &SourceSet,
        program: &ProgramSpec,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Compiled, CompileError> {
        let sources = &sources.seen_by(program.sources.iter().map(String::as_str));
        let key = self
            .key(RECIPE, sources)
            .input("program", &program.name)
            .input("sources", program.sources.join(" "))
            .input("flags", program.flags.join(" "));
        self.cached(key.finish(), sources, cancel, |dir| {
            self.link(std::slice::from_ref(program), dir, limits, cancel)
        })
    }

    fn link(
        &self,
        programs: &[ProgramSpec],
        dir: &Path,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Attempt, CompileError> {
        fs::create_dir(dir.join(OUT)).map_err(CompileError::io("make the output folder"))?;
        let sandbox = self.sandbox()?.writable(dir, WORKSPACE).workdir(WORKSPACE);
        let mut attempt = Attempt::default();
        for program in programs {
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
            let finished = self.run(&sandbox, &argv, limits, cancel)?;
            attempt.absorb(&finished);
            if finished.outcome.is_success() {
                attempt.built.insert(program.name.clone(), output);
            } else {
                attempt.failed.insert(program.name.clone());
                attempt.diagnostics.extend(linker_errors(&finished.stderr));
            }
            if attempt.limit.is_some() {
                break;
            }
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
