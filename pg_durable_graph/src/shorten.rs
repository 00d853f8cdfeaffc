//! Text for a line.

/// At most `max` characters on one line; what is longer ends in `...`.
pub(crate) fn shorten(text: &str, max: usize) -> String {
    let shortened = match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max - 3).chain("...".chars()).collect(),
    };
    shortened.replace(['\n', '\r', '\t'], " ")
}
