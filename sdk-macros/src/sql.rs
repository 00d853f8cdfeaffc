//! `sql!`: text with `{captures}`.

use crate::{file::File, root::Root};
use pg_durable_syntax::lexer::{Lexer, TokenKind, continues_word};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Expr, ExprField, Ident, LitStr, Member, parse::Parser as _};

/// Text cut at its captures.
pub struct Template {
    pub pieces: Vec<Piece>,
    pub span: Span,
    /// Where it was read from, if it does not stand there itself.
    pub file: Option<LitStr>,
    pub language: Language,
}

/// What captures become.
#[derive(Clone, Copy)]
pub enum Language {
    /// Parameters, and references that become some.
    Sql,
    /// Text for people.
    Plain,
}

/// A part of a [`Template`].
pub enum Piece {
    Text(String),
    Capture(Capture),
}

/// What stands between braces.
pub enum Capture {
    /// `name`, `name.field.field`
    Path(Place),
    /// `name.*`
    Rows(Ident),
    /// Anything else.
    Value(Expr),
}

/// A name, or a part of what it names.
#[derive(Clone)]
pub struct Place {
    pub root: Ident,
    pub fields: Vec<Ident>,
}

impl Place {
    /// `name` or `name.field.field`, in parentheses or not.
    pub fn of(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Path(path) if path.qself.is_none() => {
                Some(Self { root: path.path.get_ident()?.clone(), fields: Vec::new() })
            }
            Expr::Field(ExprField { base, member: Member::Named(field), .. }) => {
                let mut place = Self::of(base)?;
                place.fields.push(field.clone());
                Some(place)
            }
            Expr::Paren(inner) => Self::of(&inner.expr),
            Expr::Group(inner) => Self::of(&inner.expr),
            _ => None,
        }
    }
}

impl Template {
    /// Reads the tokens between the parentheses of `sql!(…)`.
    pub fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let parser = |input: syn::parse::ParseStream<'_>| {
            let file = File::parse(input)?;
            let literal: LitStr = match &file {
                Some(file) => file.text(),
                None => input.parse().map_err(|error| {
                    syn::Error::new(
                        error.span(),
                        "sql! takes one string literal: sql!(\"SELECT {order.id}\")",
                    )
                })?,
            };
            if input.parse::<Option<syn::Token![,]>>()?.is_some() && !input.is_empty() {
                return Err(
                    input.error("sql! takes no arguments: capture in the text, as in \"… WHERE id = {id}\"")
                );
            }
            Ok((literal, file.map(|file| file.path)))
        };
        let (literal, file) = parser.parse2(tokens)?;
        let span = literal.span();
        let pieces = cut(&literal)?;
        check(&pieces, span)?;
        Ok(Self { pieces: keep_apart(pieces), span, file, language: Language::Sql })
    }

    /// Reads those of a step of a body, where results have no names but those of the captures.
    pub fn of_step(tokens: TokenStream) -> syn::Result<Self> {
        let template = Self::parse(tokens)?;
        match references(&template).first() {
            Some(name) => {
                let message =
                    format!("`{name}` stands in the text: capture the name, as in `{{{}}}`", &name[1..]);
                Err(syn::Error::new(template.span, message))
            }
            None => Ok(template),
        }
    }
}

/// Cuts at braces.
pub fn cut(literal: &LitStr) -> syn::Result<Vec<Piece>> {
    let text = literal.value();
    let fail = |message: &str| Err(syn::Error::new(literal.span(), message));
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(brace) = rest.find(['{', '}']) {
        plain.push_str(&rest[..brace]);
        let (first, after) = (rest.as_bytes()[brace], &rest[brace + 1..]);
        if after.as_bytes().first() == Some(&first) {
            plain.push(char::from(first));
            rest = &after[1..];
        } else if first == b'}' {
            return fail("`}` closes nothing: write `}}` for a brace");
        } else {
            let Some(len) = capture_len(after) else {
                return fail("`{` is never closed: write `{{` for a brace");
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Capture(capture(&after[..len], literal.span())?));
            rest = &after[len + 1..];
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// How long the expression is that the next brace outside of its own ones closes.
fn capture_len(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.bytes().position(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return true,
            b'}' => depth -= 1,
            _ => {}
        }
        false
    })
}

fn capture(text: &str, span: Span) -> syn::Result<Capture> {
    let fail = |message: String| Err(syn::Error::new(span, message));
    if text.trim().is_empty() {
        return fail("`{}` captures nothing: name what it captures, as in `{order.id}`".to_owned());
    }
    let parsed = |text: &str| LitStr::new(text, span).parse::<Expr>();
    if let Some(name) = text.trim().strip_suffix(".*") {
        return match LitStr::new(name, span).parse::<Ident>() {
            Ok(name) => Ok(Capture::Rows(name)),
            Err(_) if parsed(name).is_ok_and(|expr| Place::of(&expr).is_some()) => {
                fail(list_has_no_rows(name))
            }
            Err(_) => fail(format!("`{{{text}}}`: the rows of a name are captured, as in `{{orders.*}}`")),
        };
    }
    match parsed(text) {
        Ok(expr) => Ok(match Place::of(&expr) {
            Some(place) => Capture::Path(place.inside_literal(span)),
            None => Capture::Value(expr),
        }),
        Err(_) => {
            fail(format!("`{{{text}}}` is not an expression: write `{{{{` and `}}}}` for braces in SQL"))
        }
    }
}

/// Looks at the text as PostgreSQL will, with a name in place of each capture: each must be a token of its own.
fn check(pieces: &[Piece], span: Span) -> syn::Result<()> {
    let mut sql = String::new();
    let mut marks = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => sql.push_str(text),
            Piece::Capture(_) => {
                let start = sql.len();
                sql.push_str("$capture");
                marks.push(start..sql.len());
            }
        }
    }
    let fail = |message: &str| Err(syn::Error::new(span, message));
    if sql.trim().is_empty() {
        return fail("the SQL is empty");
    }
    let mut marks = marks.into_iter().peekable();
    let mut after_dollar = false;
    for token in Lexer::new(&sql) {
        let text = token.text(&sql);
        if after_dollar && text.starts_with(|first: char| first.is_ascii_digit()) {
            return fail("`$1` is taken by the captures: capture the value, as in `{id}`");
        }
        after_dollar = token.kind == TokenKind::Symbol && text == "$";
        while let Some(mark) = marks.next_if(|mark| mark.start < token.end) {
            let message = match token.kind {
                TokenKind::Name if (token.start..token.end) == mark => {
                    if sql[mark.end..].starts_with('.') {
                        return fail(
                            "a capture goes on behind its brace: write the field inside, as in `{hold.id}`",
                        );
                    }
                    continue;
                }
                TokenKind::Literal | TokenKind::EscapeLiteral | TokenKind::UnicodeLiteral => {
                    "a capture inside '…' would be text of the literal: put it outside of the quotes, as in \
                     `'id ' || {id}`, or write `{{` for a brace"
                }
                TokenKind::Dollar { .. } => {
                    "a capture inside $$…$$ would be text of the body, which takes no values: put it outside, \
                     or write `{{` for a brace"
                }
                TokenKind::QuotedIdent => {
                    "a capture is a value and cannot be a part of a name: write the name out, or `{{` for a brace"
                }
                TokenKind::Comment => "a capture inside a comment does nothing: write `{{` for a brace",
                TokenKind::Space | TokenKind::Word | TokenKind::Name | TokenKind::Symbol => {
                    "a capture is a value and cannot be a part of a word: put a space around it, or write `{{` \
                     for a brace"
                }
            };
            return fail(message);
        }
    }
    Ok(())
}

/// The `$names` that stand in the text itself, outside of what is quoted.
fn references(template: &Template) -> Vec<String> {
    let text: String = template
        .pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Capture(_) => " ",
        })
        .collect();
    let names = Lexer::new(&text).filter(|token| token.kind == TokenKind::Name);
    names.map(|token| token.text(&text).to_owned()).collect()
}

/// Puts a space where what follows a capture would be read as a part of the reference.
fn keep_apart(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let mut follows_capture = false;
    for piece in &mut pieces {
        match piece {
            Piece::Capture(_) => follows_capture = true,
            Piece::Text(text) => {
                let first = text.bytes().next();
                if follows_capture
                    && first.is_some_and(|byte| b"?|&.".contains(&byte) || continues_word(byte))
                {
                    text.insert(0, ' ');
                }
                follows_capture = false;
            }
        }
    }
    pieces
}

/// Expands `sql!(…)` where it stands for itself, as a step of the builder.
///
/// Says beside it where the expansion is to find the SDK, which even an error has to know.
pub fn statement(tokens: TokenStream) -> (Root, syn::Result<TokenStream>) {
    let parser = |input: syn::parse::ParseStream<'_>| {
        let root = match input.peek(syn::Token![crate]) {
            true => place_of_sdk(input).map_err(|error| {
                let message =
                    "before the text stands where the SDK is: sql!(crate = durable, \"SELECT {order.id}\")";
                syn::Error::new(error.span(), message)
            })?,
            false => Root::default(),
        };
        Ok((root, input.parse::<TokenStream>()?))
    };
    match parser.parse2(tokens) {
        Ok((root, text)) => (root, Template::parse(text).map(|template| step(&template))),
        Err(error) => (Root::default(), Err(error)),
    }
}

/// `crate = path,`
fn place_of_sdk(input: syn::parse::ParseStream<'_>) -> syn::Result<Root> {
    input.parse::<syn::Token![crate]>()?;
    input.parse::<syn::Token![=]>()?;
    let path = input.call(syn::Path::parse_mod_style)?;
    input.parse::<syn::Token![,]>()?;
    Ok(Root::at(path))
}

/// Prints the step.
///
/// The macro cannot know whether a name is a value of Rust or a step: `__capture` is a method of both. There are
/// no variables in the expansion, so that none can take the place of a captured one.
fn step(template: &Template) -> TokenStream {
    let file = template.file.as_ref().map(|file| quote!(.of_file(::core::include_str!(#file))));
    let empty = quote!(::pg_durable_sdk::__private::Statement::new() #file);
    let statement = template.pieces.iter().fold(empty, |statement, piece| match piece {
        Piece::Text(text) => quote!(#statement.text(#text)),
        Piece::Capture(Capture::Rows(name)) => {
            let text = unraw(name);
            quote_spanned!(name.span()=> #statement.rows_of(#text, &#name))
        }
        Piece::Capture(Capture::Path(Place { root, fields })) => {
            let name = unraw(root);
            let members = fields.iter().map(unraw);
            // Both places have to mean one variable, wherever the literal was written.
            let value = Ident::new("value", Span::mixed_site().located_at(root.span()));
            let way = match fields.as_slice() {
                [] => quote!(#value),
                fields => quote!(&#value #(.#fields)*),
            };
            let captured = quote_spanned!(root.span()=> (&::pg_durable_sdk::__private::Captured(&#root)));
            quote_spanned! {root.span()=>
                #captured.__capture(
                    #statement, #name, &[#(#members),*], |#value| #way,
                    (&#captured.__type_at(|#value| #way)).is_nullable(),
                    (&#captured.__type_at(|#value| #way)).cast(),
                )
            }
        }
        Piece::Capture(Capture::Value(expr)) => {
            let value = Ident::new("value", Span::mixed_site());
            let cast = quote!(|#value| (&::pg_durable_sdk::__private::type_of(#value)).cast());
            quote_spanned!(template.span=> #statement.value_of(&(#expr), #cast))
        }
    });
    quote! {{
        #[allow(unused_imports)]
        use ::pg_durable_sdk::__private::{
            AnyType as _, CaptureStep as _, CaptureValue as _, CastType as _, NullableType as _,
        };
        #statement.sql()
    }}
}

/// What is said of `{order.items.*}`.
pub fn list_has_no_rows(name: &str) -> String {
    format!(
        "`{name}` is a list and has no rows: take it apart in SQL, `FROM jsonb_to_recordset({{{name}}}) AS x(id \
         bigint, …)`, or where it holds plain values, `FROM unnest({{{name}}}::bigint[])`"
    )
}

/// The name without `r#`.
pub fn unraw(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}

impl Place {
    /// Lets its fields look made by the macro, so that the compiler suggests no changes to what it takes for all
    /// of the literal.
    fn inside_literal(mut self, span: Span) -> Self {
        for field in &mut self.fields {
            field.set_span(Span::mixed_site().located_at(span));
        }
        self
    }

    /// The expression that it was read from.
    pub fn to_expr(&self) -> Expr {
        let root = &self.root;
        let fields = &self.fields;
        syn::parse_quote!(#root #(.#fields)*)
    }
}
