//! The list of a class, as schools export it: CSV with a header, columns found by their names.

use std::collections::BTreeMap;

/// A student on the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Student {
    /// Unique in the class.
    pub id: String,
    pub name: String,
    pub email: String,
    pub section: String,
    /// Where the submission lies; by default what is named like the student.
    pub submission: Option<String>,
    /// What is to be graded of a git repository.
    pub commit: Option<String>,
}

/// A class in the order of its list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    pub students: Vec<Student>,
}

/// What is wrong with a list, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}{}: {what}", column.as_ref().map(|column| format!(", column `{column}`")).unwrap_or_default())]
pub struct RosterError {
    pub file: String,
    /// From 1.
    pub line: u64,
    /// Its name in the header.
    pub column: Option<String>,
    pub what: String,
}

/// What a column is, and the names that schools give it.
const COLUMNS: [(&str, &[&str]); 6] = [
    (
        "id",
        &[
            "id",
            "username",
            "user",
            "login",
            "student",
            "student id",
            "sid",
            "identifier",
            "github username",
        ],
    ),
    ("name", &["name", "full name", "student name"]),
    ("email", &["email", "e-mail", "mail", "email address"]),
    ("section", &["section", "group", "sections"]),
    ("submission", &["submission", "path", "folder", "file"]),
    ("commit", &["commit", "sha", "revision"]),
];

/// Characters of a cell; longer ones are no list of a class.
const MAX_CELL: usize = 1_000;

impl Roster {
    /// Reads a list. `file` is for messages.
    ///
    /// # Errors
    /// [`RosterError`] with line and column.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, RosterError> {
        let wrong = |line: u64, column: Option<&str>, what: String| RosterError {
            file: file.to_owned(),
            line,
            column: column.map(str::to_owned),
            what,
        };
        // Spreadsheets put a byte order mark in front.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let header = reader
            .headers()
            .map_err(|error| wrong(line_of(&error), None, explain(&error)))?
            .clone();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (column, names) in COLUMNS {
            // The first of its names that the header has: an `id` outranks a `student`.
            let found = names
                .iter()
                .find_map(|name| header.iter().position(|cell| cell.to_lowercase() == *name));
            if let Some(at) = found {
                places.insert(column, at);
            }
        }
        let Some(id_at) = places.get("id").copied() else {
            let known: Vec<&str> = header.iter().filter(|cell| !cell.is_empty()).take(12).collect();
            let what = format!(
                "no column says who the students are: one has to be called `id`, `username` or `student`; there are: {}",
                known.join(", ")
            );
            return Err(wrong(1, None, what));
        };
        let id_name = header.get(id_at).unwrap_or("id").to_owned();
        let mut students = Vec::new();
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| wrong(line_of(&error), None, explain(&error)))?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |column: &str| places.get(column).and_then(|at| record.get(*at)).unwrap_or("");
            if record.iter().all(str::is_empty) {
                continue;
            }
            for (at, text) in record.iter().enumerate() {
                if text.chars().count() > MAX_CELL {
                    let what = format!("a cell of more than {MAX_CELL} characters");
                    return Err(wrong(line, header.get(at), what));
                }
            }
            let id = cell("id").to_owned();
            if id.is_empty() {
                return Err(wrong(line, Some(&id_name), "the student has no id".to_owned()));
            }
            if let Some(first) = lines.insert(id.clone(), line) {
                let what = format!("`{id}` is on the list twice, first in line {first}");
                return Err(wrong(line, Some(&id_name), what));
            }
            let optional = |column: &str| {
                Some(cell(column))
                    .filter(|text| !text.is_empty())
                    .map(str::to_owned)
            };
            students.push(Student {
                id,
                name: cell("name").to_owned(),
                email: cell("email").to_owned(),
                section: cell("section").to_owned(),
                submission: optional("submission"),
                commit: optional("commit"),
            });
        }
        if students.is_empty() {
            return Err(wrong(1, None, "there is nobody on the list".to_owned()));
        }
        Ok(Self { students })
    }
}

fn line_of(error: &csv::Error) -> u64 {
    error.position().map_or(1, csv::Position::line)
}

fn explain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("it has {len} cells, the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is no UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Result<Roster, String> {
        Roster::parse("class.csv", text).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let text = "\u{feff}Name,Section,USERNAME,Email,x\r\n\"Liddell, Alice\",a, alice ,a@b,\r\n\r\nBob,,bob,,\r\n";
        let roster = parse(text.as_bytes()).unwrap();
        assert_eq!(roster.students[0].name, "Liddell, Alice");
        assert_eq!(roster.students[0].id, "alice");
        assert_eq!(roster.students[1].id, "bob");
        assert_eq!(roster.students[1].submission, None);
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        assert_eq!(
            parse(b"name,points\nAlice,3\n").unwrap_err(),
            "class.csv:1: no column says who the students are: one has to be called `id`, `username` or `student`; there are: name, points"
        );
        assert_eq!(
            parse(b"id,name\na,A\n,B\n").unwrap_err(),
            "class.csv:3, column `id`: the student has no id"
        );
        assert_eq!(
            parse(b"Student,name\na,A\nb,B\na,C\n").unwrap_err(),
            "class.csv:4, column `Student`: `a` is on the list twice, first in line 2"
        );
        assert_eq!(
            parse(b"id,name\na\n").unwrap_err(),
            "class.csv:2: it has 1 cells, the header has 2"
        );
        assert_eq!(
            parse(b"id,name\na,\xff\n").unwrap_err(),
            "class.csv:2: it is no UTF-8 text"
        );
        assert_eq!(
            parse(b"id\n").unwrap_err(),
            "class.csv:1: there is nobody on the list"
        );
        assert!(parse(b"").unwrap_err().starts_with("class.csv:1: no column"));
    }
}
