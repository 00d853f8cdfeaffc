//! `include_str!("file.sql")` in place of a text.

use syn::{LitStr, Macro, parse::ParseStream};

/// A file with a text, relative to the one that names it.
pub struct File {
    pub path: LitStr,
    text: String,
}

impl File {
    /// Reads the call, and the file; `None` where something else stands there.
    pub fn parse(input: ParseStream<'_>) -> syn::Result<Option<Self>> {
        if !(input.peek(syn::Ident) && input.peek2(syn::Token![!])) {
            return Ok(None);
        }
        let call: Macro = input.parse()?;
        if !call.path.is_ident("include_str") {
            let message = "sql! takes one string literal, or `include_str!(\"file.sql\")`";
            return Err(syn::Error::new_spanned(call, message));
        }
        let path: LitStr = call.parse_body().map_err(|error| {
            syn::Error::new(error.span(), "a file is named by a string: include_str!(\"file.sql\")")
        })?;
        let text = read(&path).map_err(|reason| {
            let message = format!("{} cannot be read: {reason}", path.value());
            syn::Error::new(path.span(), message)
        })?;
        Ok(Some(Self { path, text }))
    }

    /// The text, as if it had been written where the file is named.
    pub fn text(&self) -> LitStr {
        LitStr::new(&self.text, self.path.span())
    }
}

fn read(path: &LitStr) -> Result<String, String> {
    let source = path.span().unwrap().local_file();
    let source = source.ok_or("where the file that names it lies is not known; write the text here")?;
    std::fs::read_to_string(source.with_file_name(path.value())).map_err(|error| error.to_string())
}
