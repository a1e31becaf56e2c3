//! A class of synthetic students: the solution in many hands, the course's known mistakes, and people who mean harm.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::LazyLock;

use fs_err as fs;
use labctl::embedded;
use labctl::spec::course::{Course, Module};
use labctl::spec::exercise::LESSON_SEED;
use labctl::spec::files::CourseFiles;
use labctl::spec::workspace::{mutated, solution};

pub(crate) const EXERCISE: &str = "exercise-b";

/// The course that is built in.
static COURSE: LazyLock<Course> = LazyLock::new(|| {
    let mut files = CourseFiles::new();
    for (path, bytes) in embedded::COURSE {
        files.insert(*path, bytes.to_vec());
    }
    Course::load(&files).unwrap()
});

/// What is to be in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// The verdict, and the mistake that has to be told with it.
    Verdict(String, Option<String>),
    /// A verdict that is no pass and not ours to be blamed for.
    Wrong,
    /// Refused, with these words in the notes.
    Refused(&'static str),
}

pub(crate) type Files = BTreeMap<String, String>;

/// How somebody hands in.
pub(crate) enum Form {
    Folder(Files),
    Zip(Files),
    Tar(Files),
    Raw(&'static str, Vec<u8>),
}

pub(crate) struct Student {
    pub(crate) id: String,
    pub(crate) form: Form,
    pub(crate) due: Due,
}

fn module() -> &'static Module {
    COURSE.module("module7").unwrap()
}

/// The solution as one student among many writes it: no two files of two students are the same.
fn own_solution(id: &str) -> Files {
    let mut files = solution(module(), LESSON_SEED).unwrap();
    mark(&mut files, id);
    files
}

fn mark(files: &mut Files, id: &str) {
    for (path, text) in files {
        if path.ends_with(".c") {
            text.push_str(&format!("/* written by {id} */\n"));
        }
    }
}

fn passed() -> Due {
    Due::Verdict("passed".to_owned(), None)
}

/// `count` students whose solutions are right, handed in one way or another.
pub(crate) fn right(count: usize) -> Vec<Student> {
    (0..count)
        .map(|number| {
            let id = format!("right-{number:02}");
            let mut files = own_solution(&id);
            if number % 2 == 1 {
                let source = files.get_mut("src/send_trace.c").unwrap();
                *source = source
                    .replace("before_copy", &format!("handler_{number}"))
                    .replace("dest", "target");
                *source = source.replace("target=%px", "dest=%px");
            }
            let form = match number % 3 {
                0 => Form::Folder(files),
                1 => Form::Zip(files),
                _ => Form::Tar(files),
            };
            Student {
                id,
                form,
                due: passed(),
            }
        })
        .collect()
}

/// The course's own wrong submissions for the exercise, `count` at most, each in its author's words.
pub(crate) fn mistaken(count: usize) -> Vec<Student> {
    let mutants = module()
        .mutants
        .iter()
        .filter(|mutant| mutant.exercise == EXERCISE);
    mutants
        .take(count)
        .map(|mutant| {
            let mut files = mutated(module(), mutant, LESSON_SEED).unwrap();
            mark(&mut files, &mutant.id);
            Student {
                id: mutant.id.clone(),
                form: Form::Folder(files),
                due: Due::Verdict(mutant.expect.verdict.clone(), mutant.expect.mistake.clone()),
            }
        })
        .collect()
}

/// Every copy goes on starting others: where each starts two and goes, as in the shortest bomb there is, all may have died
/// of the limit at once, and the rest of the run is as good as any.
const BOMB: &str = "b() { while :; do b & done; }; b";

/// A student whose first module has the guest's shell, as root, do something before the transfer.
fn shell(id: &str, script: &str, due: Due) -> Student {
    let mut student = loaded(
        id,
        &format!(
            "{{ static char *argv[] = {{ \"/bin/sh\", \"-c\", \"{script}\", NULL }}; static char *envp[] = {{ \"PATH=/usr/bin:/bin\", \
             NULL }}; call_usermodehelper(argv[0], argv, envp, UMH_NO_WAIT); msleep(500); }}"
        ),
    );
    student.due = due;
    student
}

/// A student whose first module does something else as it is loaded.
fn loaded(id: &str, what: &str) -> Student {
    let mut files = own_solution(id);
    let source = files.get_mut("src/send_trace.c").unwrap();
    let at = source.find("return register_kprobe").unwrap();
    source.insert_str(at, &format!("{what}\n\t"));
    source.insert_str(0, "#include <linux/delay.h>\n#include <linux/fs.h>\n#include <linux/kthread.h>\n#include <linux/slab.h>\n#include <linux/umh.h>\n");
    Student {
        id: id.to_owned(),
        form: Form::Folder(files),
        due: Due::Wrong,
    }
}

/// Those who mean harm to the guest, the host, or somebody else's result.
pub(crate) fn hostile() -> Vec<Student> {
    let raw = |id: &str, name: &'static str, bytes: Vec<u8>, why: &'static str| Student {
        id: id.to_owned(),
        form: Form::Raw(name, bytes),
        due: Due::Refused(why),
    };
    let traversal = {
        let files = own_solution("traversal");
        let mut entries: Vec<(String, Vec<u8>)> = files
            .into_iter()
            .map(|(path, text)| (path, text.into_bytes()))
            .collect();
        entries.push((
            "../../../../tmp/labctl-traversal/src/evil.c".to_owned(),
            b"evil".to_vec(),
        ));
        entries.push(("/tmp/labctl-traversal/src/evil.c".to_owned(), b"evil".to_vec()));
        Student {
            id: "traversal".to_owned(),
            form: Form::Raw(".zip", zipped(&entries)),
            due: passed(),
        }
    };
    vec![
        shell("fork-bomb", BOMB, Due::Wrong),
        shell(
            "disk-fill",
            "cat /dev/zero > /tmp/full; cat /dev/zero > /full",
            passed(),
        ),
        shell("kills-everybody", "kill -9 -1", Due::Wrong),
        shell(
            "forges-the-log",
            "echo '[COPY1] PID=1 dest=ffff888000000000 len=13' > /dev/kmsg",
            passed(),
        ),
        loaded("floods-the-log", "for (;;) pr_info(\"all is well\\n\");"),
        loaded("panics", "panic(\"out of spite\");"),
        loaded("hangs", "for (;;) cpu_relax();"),
        loaded(
            "overwrites",
            "{ struct file *file = filp_open(\"/dev/console\", O_WRONLY, 0); static char junk[4096]; loff_t at = 0; memset(junk, 'x', sizeof(junk)); if (!IS_ERR(file)) kernel_write(file, junk, sizeof(junk), &at); memset((void *)((unsigned long)current & ~0xfffUL), 0xff, 1 << 20); }",
        ),
        raw("zip-bomb", ".zip", zip_bomb(), "bytes"),
        raw("tar-bomb", ".tar.gz", tar_bomb(), "unpacks to more than"),
        raw("ten-thousand", ".zip", ten_thousand(), "more than 4096 entries"),
        raw(
            "no-archive",
            ".zip",
            b"MZ\x90\0 a program".to_vec(),
            "neither a folder nor",
        ),
        traversal,
    ]
}

fn zipped(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (path, bytes) in entries {
        zip.start_file(path.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// 1 GiB of one source, in a megabyte.
fn zip_bomb() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("src/send_trace.c", options).unwrap();
    let chunk = vec![b'\n'; 1 << 20];
    for _ in 0..256 {
        zip.write_all(&chunk).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn tar_bomb() -> Vec<u8> {
    let zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(zip);
    let mut header = tar::Header::new_gnu();
    header.set_size(256 << 20);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(
        &mut header,
        "video.bin",
        std::io::Read::take(std::io::repeat(0), 256 << 20),
    )
    .unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

fn ten_thousand() -> Vec<u8> {
    let entries: Vec<(String, Vec<u8>)> = (0..10_000)
        .map(|number| (format!("src/f{number}.c"), Vec::new()))
        .collect();
    zipped(&entries)
}

/// Hands everything in below `dir`.
pub(crate) fn hand_in(dir: &Path, students: &[Student]) {
    for student in students {
        let bytes = |files: &Files| -> Vec<(String, Vec<u8>)> {
            files
                .iter()
                .map(|(path, text)| (path.clone(), text.clone().into_bytes()))
                .collect()
        };
        match &student.form {
            Form::Folder(files) => {
                for (path, text) in files {
                    let path = dir.join(&student.id).join(path);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, text).unwrap();
                }
            }
            Form::Zip(files) => {
                fs::write(dir.join(format!("{}.zip", student.id)), zipped(&bytes(files))).unwrap();
            }
            Form::Tar(files) => {
                let zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                let mut tar = tar::Builder::new(zip);
                for (path, text) in files {
                    let mut header = tar::Header::new_gnu();
                    header.set_size(text.len() as u64);
                    header.set_mode(0o644);
                    header.set_cksum();
                    let path = format!("{}-main/module7/{path}", student.id);
                    tar.append_data(&mut header, path, text.as_bytes()).unwrap();
                }
                let bytes = tar.into_inner().unwrap().finish().unwrap();
                fs::write(dir.join(format!("{}.tar.gz", student.id)), bytes).unwrap();
            }
            Form::Raw(ending, bytes) => {
                fs::write(dir.join(format!("{}{ending}", student.id)), bytes).unwrap();
            }
        }
    }
}
