//! Text for people with `{captures}`: what `fail!` says.

use crate::sql::{Language, Piece, Template, cut};
use pg_durable_syntax::lexer::{continues_word, name_after_dollar};
use proc_macro2::TokenStream;
use syn::{LitStr, parse::Parser as _};

impl Template {
    /// Reads the tokens between the parentheses of `fail!(…)`.
    pub fn of_message(tokens: TokenStream) -> syn::Result<Self> {
        let parser = |input: syn::parse::ParseStream<'_>| {
            let literal: LitStr = input.parse().map_err(|error| {
                syn::Error::new(
                    error.span(),
                    "this is one string literal, with captures: \"order {order.id}\"",
                )
            })?;
            if input.parse::<Option<syn::Token![,]>>()?.is_some() && !input.is_empty() {
                return Err(
                    input.error("there are no arguments: capture in the text, as in \"order {order.id}\"")
                );
            }
            Ok(literal)
        };
        let literal = parser.parse2(tokens)?;
        let span = literal.span();
        let pieces = cut(&literal)?;
        if let Some(name) = pieces.iter().find_map(reference_in) {
            let message =
                format!("`{name}` stands in the text: capture the name, as in `{{{}}}`", &name[1..]);
            return Err(syn::Error::new(span, message));
        }
        if pieces.is_empty() {
            return Err(syn::Error::new(span, "the text is empty"));
        }
        Ok(Self { pieces: keep_apart(pieces), span, file: None, language: Language::Plain })
    }
}

/// A `$name` that was written as such, which has no meaning in a body.
fn reference_in(piece: &Piece) -> Option<String> {
    let Piece::Text(text) = piece else { return None };
    text.match_indices('$').find_map(|(dollar, _)| {
        let name = name_after_dollar(&text[dollar..])?;
        Some(text[dollar..=dollar + name].to_owned())
    })
}

/// Puts a space where what follows a capture would be read as a part of the reference.
fn keep_apart(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let mut follows_capture = false;
    for piece in &mut pieces {
        match piece {
            Piece::Capture(_) => follows_capture = true,
            Piece::Text(text) => {
                let mut bytes = text.bytes();
                let is_taken = match (bytes.next(), bytes.next()) {
                    (Some(b'?' | b'|' | b'&'), _) => true,
                    // A full stop ends a sentence, unless a name follows.
                    (Some(b'.'), next) => next.is_some_and(|byte| byte == b'*' || continues_word(byte)),
                    (Some(first), _) => continues_word(first),
                    (None, _) => false,
                };
                if follows_capture && is_taken {
                    text.insert(0, ' ');
                }
                follows_capture = false;
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn what_follows_a_capture_is_no_part_of_it() {
        for (text, expected) in [
            ("{a}", ["", ""]),
            ("is it {a}?", ["is it ", " ?"]),
            ("order {a}.", ["order ", "."]),
            ("order {a}. Gone", ["order ", ". Gone"]),
            ("{a}.b", ["", " .b"]),
            ("{a}s", ["", " s"]),
            ("({a})", ["(", ")"]),
            ("{a}: {{b}}", ["", ": {b}"]),
            ("{a}…", ["", " …"]),
        ] {
            let template = Template::of_message(quote!(#text)).expect(text);
            let mut around = [String::new(), String::new()];
            let mut is_behind = 0;
            for piece in template.pieces {
                match piece {
                    Piece::Text(text) => around[is_behind] = text,
                    Piece::Capture(_) => is_behind = 1,
                }
            }
            assert_eq!(around, expected, "{text}");
        }
    }
}
