//! SQL while it is put together from text and captures.

use super::cast::BYTES;
use crate::{
    Step,
    fault::Misplaced,
    write::{self, Param},
};
use pg_durable_graph::{NodeId, template::Template};
use serde::Serialize;
use serde_json::Value;

/// SQL or a text for people, the parameters of SQL, and what is wrong with them.
///
/// Each macro that takes a text has a method of its name, which makes the step; it stands beside the step's type.
#[derive(Debug, Default)]
#[must_use]
pub struct Statement {
    pub(crate) query: String,
    pub(crate) params: Vec<Value>,
    pub(crate) faults: Vec<Misplaced>,
    language: Language,
}

/// What a [`Statement`] is a text of.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Language {
    #[default]
    Sql,
    /// Has values where SQL has expressions: no casts, and what is known already stands there as it is read.
    Plain,
}

impl Statement {
    pub fn new() -> Self {
        Self::default()
    }

    /// A text for people.
    pub fn plain() -> Self {
        Self { language: Language::Plain, ..Self::default() }
    }

    pub fn text(mut self, text: &str) -> Self {
        self.query.push_str(text);
        self
    }

    /// The name of a column with a document, which a reader takes for a row where it is the name of a field.
    pub fn result_column(self, plain: &str, fields: Option<Vec<String>>) -> Self {
        match fields.is_some_and(|fields| fields.iter().any(|field| field == "value")) {
            true => self.text(" AS \"?column?\""),
            false => self.text(plain),
        }
    }

    /// Has the compiler look at the text again when its file has changed.
    pub fn of_file(self, _: &'static str) -> Self {
        self
    }

    /// A value at a path such as `order.id`; a `cast` says its SQL type.
    pub fn reference(self, path: &str, is_nullable: bool, cast: Option<&str>) -> Self {
        let reference = self.text("$").text(path).text(if is_nullable { "?" } else { "" });
        match (cast, reference.language) {
            (Some(sql_type), Language::Sql) => reference.text("::").text(sql_type),
            (Some(_), Language::Plain) | (None, _) => reference,
        }
    }

    /// The id of the instance, which is put into the text when the step is run.
    pub fn run_id(self) -> Self {
        match self.language {
            Language::Sql => self.text("'{sys_instance_id}'::text"),
            Language::Plain => self.text("{sys_instance_id}"),
        }
    }

    /// All of a signal's payload where it is captured: it has the SQL type of what it is, and a list is an array.
    pub fn captured_payload(self, path: &str, is_nullable: bool, element: Option<&str>) -> Self {
        match (element, self.language) {
            (Some(element), Language::Sql) => self.list(path, is_nullable, element),
            (Some(_), Language::Plain) | (None, _) => self.reference(path, is_nullable, None),
        }
    }

    /// All of a signal's payload as a value of this SQL type. What is no document has an SQL type already, unless it is a part
    /// of what a race leaves.
    pub fn payload(self, path: &str, is_nullable: bool, is_row: bool, sql_type: &str) -> Self {
        let is_member = path.matches('.').count() == 1;
        match (is_row, sql_type) {
            (false, "jsonb") if is_member => {
                self.text("pg_catalog.to_jsonb(").reference(path, is_nullable, None).text(")")
            }
            (_, sql_type) => self.reference(path, is_nullable, Some(sql_type)),
        }
    }

    /// All of the input, which is a JSON document even where it is one number or text, or a list of such.
    pub fn input(self, is_nullable: bool, sql_type: &str, element: Option<&str>) -> Self {
        match (sql_type, element, self.language) {
            (_, _, Language::Plain) => self.reference("input", is_nullable, None),
            ("jsonb", None, Language::Sql) => self.reference("input", is_nullable, Some("jsonb")),
            ("jsonb", Some(element), Language::Sql) => self.list("input", is_nullable, element),
            (scalar, _, Language::Sql) => {
                let document = self.text("(").reference("input", is_nullable, Some("jsonb"));
                document.text(" #>> '{}')::").text(scalar)
            }
        }
    }

    /// A list in a document as an array, or bytes as such. No list is NULL, and not an empty one.
    fn list(self, path: &str, is_nullable: bool, element: &str) -> Self {
        let document = |statement: Self| statement.reference(path, is_nullable, Some("jsonb"));
        let asked = match is_nullable {
            true => document(self.text("CASE WHEN ")).text(" IS NOT NULL THEN "),
            false => self,
        };
        let list = match element {
            BYTES => {
                let list = asked.text(
                    "(SELECT pg_catalog.decode(coalesce(pg_catalog.string_agg(pg_catalog.lpad(pg_catalog.to_hex(e.value::int), \
                     2, '0'), '' ORDER BY e.nth), ''), 'hex') FROM pg_catalog.jsonb_array_elements_text(",
                );
                document(list).text(") WITH ORDINALITY AS e(value, nth))")
            }
            element => {
                let list = asked.text("ARRAY(SELECT e.value::").text(element);
                document(list.text(" FROM pg_catalog.jsonb_array_elements_text(")).text(") AS e(value))")
            }
        };
        list.text(if is_nullable { " END" } else { "" })
    }

    /// Asks that a field has the name in JSON that it has in Rust, where the former are known.
    pub fn field(mut self, known: Option<Vec<String>>, name: &str) -> Self {
        let Some(known) = known.filter(|known| !known.iter().any(|field| field == name)) else { return self };
        let known =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        self.faults.push(fault(
            format!("the field {name} is not called so in JSON: {known}"),
            "Give the field in Rust the name that it has in JSON, or take the serde attribute away."
                .to_owned(),
        ));
        self
    }

    /// All of a result of SQL as one value, which a row is not.
    pub fn whole(mut self, name: &str, is_nullable: bool, is_row: bool) -> Self {
        if is_row {
            self.faults.push(fault(
                format!("{name} is a row, and a row is not one value"),
                format!("Capture a column, as in {{{name}.id}}, or the row as a table: FROM {{{name}.*}}."),
            ));
        }
        self.reference(name, is_nullable, None)
    }

    /// A statement that gives a result of SQL once more.
    pub fn again(self, name: &str, is_nullable: bool, is_row: bool) -> Self {
        if is_row {
            self.text(&format!("SELECT * FROM ${name}.* LIMIT 1"))
        } else {
            self.text("SELECT ").reference(name, is_nullable, None).text(" AS value")
        }
    }

    /// The same as a document that has the row or value inside, for names that other ways give documents to.
    pub fn document(self, name: &str, is_nullable: bool, is_row: bool) -> Self {
        let statement = self.text("SELECT pg_catalog.jsonb_build_object('value', ");
        if is_row {
            statement.text(&format!("pg_catalog.to_jsonb(\"{name}\")) AS value FROM ${name}.* LIMIT 1"))
        } else {
            statement.reference(name, is_nullable, None).text(") AS value")
        }
    }

    /// All of a name that several ways give a value to: a column, or what is in the document.
    pub fn kept(self, name: &str, is_nullable: bool, is_document: bool, cast: Option<&str>) -> Self {
        match is_document {
            true => self.reference(&format!("{name}.value.value"), is_nullable, cast),
            false => self.reference(name, is_nullable, None),
        }
    }

    /// All rows of a result, as a table of its name.
    pub fn rows(self, name: &str) -> Self {
        self.text("$").text(name).text(".*")
    }

    /// All rows of a step, which gets the name of its variable if it has none.
    pub fn rows_of<T>(self, variable: &str, step: &Step<T>) -> Self {
        let name = step.captured_from(variable).to_owned();
        self.rows(&name)
    }

    /// A value, which SQL is sent as a parameter.
    pub fn value<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match (self.language, write::to_param(value)) {
            (Language::Plain, Ok(Param::Value(value))) => return self.said(&value),
            (Language::Plain, Ok(Param::JsonNull)) => return self.said(&Value::Null),
            (Language::Sql, Ok(Param::Value(value))) => self.params.push(value),
            // As a parameter it would be NULL.
            (Language::Sql, Ok(Param::JsonNull)) => return self.text("'null'::pg_catalog.jsonb"),
            (_, Err(error)) => {
                self.params.push(Value::Null);
                self.faults.push(fault(
                    format!("parameter ${} cannot be sent: {error}", self.params.len()),
                    "Values are sent as JSON, whose objects have strings as keys.".to_owned(),
                ));
            }
        }
        let number = self.params.len();
        self.text(&format!("${number}"))
    }

    /// A value that is a part of the text itself.
    fn said(mut self, value: &Value) -> Self {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if Template::parse_text(&text, |_| true).has_references() {
            self.faults.push(fault(
                format!("the value '{text}' would be read as a reference"),
                "Hand it in with the input, or have a step select it, and capture that.".to_owned(),
            ));
        }
        self.text(&text)
    }

    /// A value whose type may say its SQL type: see [`CastType`](super::CastType).
    pub fn value_of<T: Serialize + ?Sized>(self, value: &T, cast: fn(&T) -> Option<&'static str>) -> Self {
        self.value_as(value, cast(value))
    }

    pub(super) fn value_as<T: Serialize + ?Sized>(self, value: &T, cast: Option<&'static str>) -> Self {
        let Some(cast) = cast.filter(|_| self.language == Language::Sql) else { return self.value(value) };
        let mut statement = self.cast_value(value, cast);
        if let Some(value) = statement.params.last_mut() {
            in_hex(value);
        }
        statement
    }

    /// A value of this SQL type.
    pub fn cast_value<T: Serialize + ?Sized>(self, value: &T, sql_type: &str) -> Self {
        self.value(value).text("::").text(sql_type)
    }
}

/// Writes lists of bytes as `bytea` does, in half the room or less.
fn in_hex(value: &mut Value) {
    let Value::Array(items) = value else { return };
    let byte = |item: &Value| item.as_u64().and_then(|byte| u8::try_from(byte).ok());
    match items.iter().map(byte).collect::<Option<Vec<u8>>>() {
        Some(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            *value = Value::from([r"\x".to_owned()].into_iter().chain(digits).collect::<String>());
        }
        None => items.iter_mut().for_each(in_hex),
    }
}

fn fault(message: String, hint: String) -> Misplaced {
    Misplaced { node: NodeId::ROOT, message, hint: Some(hint) }
}
