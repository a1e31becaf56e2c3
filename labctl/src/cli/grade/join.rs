//! The parts of a class, put together: the same class, nothing twice, nothing lost.

use std::path::Path;

use fs_err as fs;

use super::folder::{Grades, folder_name};
use super::records::Class;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::grade::verdict::Verdict;

/// Copies students and units of all `parts` into `grades`.
pub(crate) fn join(grades: &Grades, parts: &[(Grades, Class)]) -> Result<Class, Failure> {
    let Some(((first, class), others)) = parts.split_first() else {
        return Err(Failure::new(Exit::Usage, "there is nothing to put together"));
    };
    let whole = |class: &Class| Class {
        partition: None,
        ..class.clone()
    };
    let merged = whole(class);
    for (other, their) in others {
        if let Some(what) = difference(&merged, &whole(their)) {
            let text = format!(
                "{} and {} are not parts of one class: {what}",
                first.shown, other.shown
            );
            return Err(Failure::new(Exit::Usage, text)
                .hint("all parts are graded from the same folder, list, course and labctl; only --partition differs"));
        }
    }
    grades.write_class(&merged)?;
    for member in &merged.students {
        for at in 0..parts.len() {
            take(grades, &parts[..=at], &merged, &member.id)?;
        }
    }
    Ok(merged)
}

/// The first thing in which two parts differ.
fn difference(one: &Class, other: &Class) -> Option<String> {
    let said = |what: &str, one: &str, other: &str| Some(format!("{what} {one} here, {other} there"));
    let text = |id: &Option<String>| id.clone().unwrap_or_else(|| "none".to_owned());
    if one.course != other.course || one.module != other.module {
        let name = |class: &Class| format!("{}/{}", class.course, class.module);
        said("module", &name(one), &name(other))
    } else if one.labctl != other.labctl {
        said("labctl", &one.labctl, &other.labctl)
    } else if one.exercises != other.exercises {
        said(
            "exercises",
            &one.exercises.join(", "),
            &other.exercises.join(", "),
        )
    } else if one.kernel != other.kernel {
        said("kernel", &text(&one.kernel), &text(&other.kernel))
    } else if one.image != other.image {
        said("image", &text(&one.image), &text(&other.image))
    } else if one.definitions != other.definitions {
        Some("the course is not the same".to_owned())
    } else if one.seeds != other.seeds {
        Some("the course's key is not the same".to_owned())
    } else if one.students != other.students {
        Some("the list of students is not the same".to_owned())
    } else {
        None
    }
}

/// Takes one student of the last of `parts`; those before were taken already.
fn take(grades: &Grades, parts: &[(Grades, Class)], class: &Class, id: &str) -> Result<(), Failure> {
    let Some(((part, _), before)) = parts.split_last() else {
        return Ok(());
    };
    let other = |differs: &dyn Fn(&Grades) -> bool| {
        let found = before.iter().find(|(other, _)| differs(other));
        found.map_or("another part", |(other, _)| other.shown.as_str())
    };
    let Some(theirs) = part.handed(id) else {
        return Ok(());
    };
    match grades.handed(id) {
        None => {
            let submission = part.submission(id);
            if submission.is_dir() {
                let made = grades.staging().join("submission");
                copy(&submission, &made)?;
                grades.keep_submission(id, &made)?;
            }
            grades.write_handed(&theirs)?;
        }
        Some(known) if known == theirs => {}
        Some(_) => {
            let differs = |other: &Grades| other.handed(id).is_some_and(|handed| handed != theirs);
            let text = format!(
                "{id} was handed in differently in {} and {}",
                other(&differs),
                part.shown
            );
            return Err(Failure::new(Exit::Usage, text).hint(student_hint(part, id)));
        }
    }
    for exercise in &class.exercises {
        let Some(theirs) = part.unit_record(id, exercise) else {
            continue;
        };
        let known = grades.unit_record(id, exercise);
        let inconclusive = Verdict::Inconclusive.as_str();
        if let Some(known) = &known {
            if known.key != theirs.key
                || known.verdict != theirs.verdict
                    && known.verdict != inconclusive
                    && theirs.verdict != inconclusive
            {
                let text = format!(
                    "{id} {exercise} is {} in {} and {} in {}",
                    theirs.verdict,
                    part.shown,
                    known.verdict,
                    other(&|other| other.unit_record(id, exercise).is_some_and(|unit| unit != theirs)),
                );
                return Err(Failure::new(Exit::Usage, text).hint(student_hint(part, id)));
            }
            // The same twice is one; a verdict is better than none.
            if known.verdict != inconclusive || theirs.verdict == inconclusive {
                continue;
            }
        }
        let made = grades.staging().join("unit");
        copy(part.unit(id, exercise).path(), &made)?;
        grades.keep_unit(id, exercise, &made, &theirs)?;
    }
    Ok(())
}

fn student_hint(part: &Grades, id: &str) -> String {
    format!(
        "leave out the part that is wrong, or delete {}/students/{}",
        part.shown,
        folder_name(id)
    )
}

/// Regular files and folders; there is nothing else in a folder of results.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, place) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &place)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}
