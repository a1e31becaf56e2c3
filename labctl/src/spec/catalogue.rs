//! The mistakes that a module predicts by name, each with an explanation and a ladder of hints: `labs/<module>/mistakes.yaml`.

use std::collections::BTreeMap;

use super::error::{SpecError, SpecErrors};
use super::ids::is_name;
use super::raw::RawMistake;
use super::yaml::{Mapping, Source};

/// Ids that begin like this are the lesson's own predictions: an exercise may only use those that the catalogue has.
pub const PREDICTION: &str = "failure-";

/// A predicted mistake. Blanks and checks say where it shows; this is what is said about it everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// One line: what is believed wrongly, or what is right instead.
    pub title: String,
    /// A paragraph on why it is wrong.
    pub explanation: String,
    /// The hint ladder, 2 to 4 rungs from a nudge to almost the answer.
    pub hints: Vec<String>,
}

/// Mistakes by id.
pub type Catalogue = BTreeMap<String, Mistake>;

/// Reads and checks a `mistakes.yaml`.
///
/// # Errors
/// Every mistake in the file, each with its place.
pub fn catalogue(source: &Source) -> Result<Catalogue, SpecErrors> {
    let Mapping(raw) = source.read::<Mapping<RawMistake>>()?;
    let mut errors: Vec<SpecError> = Vec::new();
    let mut catalogue = Catalogue::new();
    for (id, mistake) in raw {
        if !is_name(&id.value) {
            errors.push(source.at(&id, format!("`{}` is not a name for a mistake", id.value)));
        }
        if !(2..=4).contains(&mistake.hints.len()) {
            errors.push(source.at(&id, format!("`{}` needs a ladder of 2 to 4 hints", id.value)));
        }
        for text in [&mistake.title, &mistake.explanation]
            .into_iter()
            .chain(&mistake.hints)
        {
            if text.value.trim().is_empty() {
                errors.push(source.at(text, "says nothing"));
            }
        }
        let plain = |text: super::raw::At<String>| text.value.trim().to_owned();
        catalogue.insert(
            id.value,
            Mistake {
                title: plain(mistake.title),
                explanation: plain(mistake.explanation),
                hints: mistake.hints.into_iter().map(plain).collect(),
            },
        );
    }
    SpecErrors::check(errors, catalogue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Catalogue, String> {
        catalogue(&Source::new("labs/m/mistakes.yaml", text)).map_err(|errors| errors.to_string())
    }

    #[test]
    fn an_entry_has_a_title_an_explanation_and_a_ladder() {
        let read =
            read("failure-4: { title: Hex, explanation: 'It is hex. ', hints: [look, convert] }\n").unwrap();
        assert_eq!(read["failure-4"].explanation, "It is hex.");
        assert_eq!(read["failure-4"].hints, ["look", "convert"]);
    }

    #[test]
    fn mistakes_in_it_have_their_place() {
        let told = read("Four: { title: Hex, explanation: '', hints: [look] }\n").unwrap_err();
        assert_eq!(
            told,
            "labs/m/mistakes.yaml:1:1: `Four` is not a name for a mistake\n\
             labs/m/mistakes.yaml:1:1: `Four` needs a ladder of 2 to 4 hints\n\
             labs/m/mistakes.yaml:1:34: says nothing"
        );
        let told = read("a: { titel: Hex }\n").unwrap_err();
        assert!(
            told.starts_with("labs/m/mistakes.yaml:1:6: unknown field `titel`"),
            "{told}"
        );
    }
}
