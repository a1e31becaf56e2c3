//! Which exercise comes next.

use crate::spec::exercise::Exercise;

/// The first of `exercises` that is not passed; when all are, the first.
pub(in crate::cli) fn first<'a>(
    exercises: &[&'a Exercise],
    passed: impl Fn(&Exercise) -> bool,
) -> Option<&'a Exercise> {
    let open = exercises.iter().find(|exercise| !passed(exercise));
    open.or(exercises.first()).copied()
}

/// The next one after `current` that is not passed, beginning again at the front; `None` when there is no other.
pub(super) fn next<'a>(
    exercises: &'a [Exercise],
    current: &Exercise,
    passed: impl Fn(&Exercise) -> bool,
) -> Option<&'a Exercise> {
    let at = exercises
        .iter()
        .position(|exercise| exercise.id == current.id)
        .map_or(0, |at| at + 1);
    let (before, after) = exercises.split_at(at);
    after
        .iter()
        .chain(before)
        .find(|exercise| exercise.id != current.id && !passed(exercise))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;
    use crate::spec::course::Course;

    #[test]
    fn what_is_passed_is_passed_over() {
        let files = embedded::COURSE
            .iter()
            .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
            .collect();
        let course = Course::load(&files).unwrap();
        let exercises = &course.modules.last().unwrap().exercises;
        let ids: Vec<&str> = exercises.iter().map(|exercise| exercise.id.as_str()).collect();
        let count = ids.len();
        assert!(count > 3);
        let all: Vec<&Exercise> = exercises.iter().collect();
        let after = |current: usize, passed: &[usize]| {
            let passed = |exercise: &Exercise| passed.iter().any(|at| ids[*at] == exercise.id.as_str());
            next(exercises, &exercises[current], passed).map(|exercise| exercise.id.as_str())
        };
        assert_eq!(after(0, &[]), Some(ids[1]));
        assert_eq!(after(0, &[1, 2]), Some(ids[3]));
        assert_eq!(
            after(count - 1, &[0]),
            Some(ids[1]),
            "it begins again at the front"
        );
        assert_eq!(after(1, &[0]), Some(ids[2]));
        let others: Vec<usize> = (0..count).filter(|at| *at != 2).collect();
        assert_eq!(after(2, &others), None);

        let begin = |passed: usize| {
            let passed = |exercise: &Exercise| ids[..passed].contains(&exercise.id.as_str());
            first(&all, passed).map(|exercise| exercise.id.as_str())
        };
        assert_eq!(begin(0), Some(ids[0]));
        assert_eq!(begin(2), Some(ids[2]));
        assert_eq!(begin(count), Some(ids[0]));
    }
}
