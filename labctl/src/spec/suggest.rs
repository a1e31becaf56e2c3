//! "Did you mean": the known name nearest to one that does not exist.

/// The nearest of `known`, if it is near enough to be a slip of the finger.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `", did you mean `x`?"`, or nothing.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known)
        .map(|candidate| format!(", did you mean `{candidate}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["exercise-a", "exercise-b", "complete-test"];
        assert_eq!(nearest("exercise_b", known), Some("exercise-b"));
        assert_eq!(nearest("excercise-b", known), Some("exercise-b"));
        assert_eq!(nearest("lunch", known), None);
        assert_eq!(
            did_you_mean("complet-test", known),
            ", did you mean `complete-test`?"
        );
    }
}
