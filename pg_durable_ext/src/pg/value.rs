//! Values between PostgreSQL's types and the JSON of results.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::Datelike;
use pg_durable_graph::{Sink, number};
use pgrx::pg_sys;
use serde_json::Value;

use super::encoding;

/// How a type's values become JSON, and come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Json,
    Jsonb,
    Void,
    Timestamptz,
    Timestamp,
    Array,
    Composite,
    /// The type's own text, as a JSON string.
    Text,
}

/// What the catalog says of a type, looked up once in each process.
#[derive(Debug, Clone, Copy)]
struct TypeFacts {
    form: Form,
    /// The base type of a domain; the type itself otherwise.
    base: pg_sys::Oid,
    output: pg_sys::Oid,
    is_varlena: bool,
    element: pg_sys::Oid,
}

thread_local! {
    static TYPES: RefCell<HashMap<pg_sys::Oid, TypeFacts>> = RefCell::new(HashMap::new());
}

/// Forgets what was looked up: a type may have been changed or dropped and its oid given away.
pub fn forget_types() {
    TYPES.with_borrow_mut(HashMap::clear);
}

fn facts(type_oid: pg_sys::Oid) -> TypeFacts {
    if let Some(known) = TYPES.with_borrow(|types| types.get(&type_oid).copied()) {
        return known;
    }
    // SAFETY: catalog look-ups by oid; each raises for an unknown type.
    let facts = unsafe {
        let base = pg_sys::getBaseType(type_oid);
        let mut output = pg_sys::InvalidOid;
        let mut is_varlena = false;
        pg_sys::getTypeOutputInfo(base, &mut output, &mut is_varlena);
        let element = pg_sys::get_element_type(base);
        let form = match base {
            pg_sys::BOOLOID => Form::Bool,
            pg_sys::INT2OID => Form::Int2,
            pg_sys::INT4OID => Form::Int4,
            pg_sys::INT8OID => Form::Int8,
            pg_sys::FLOAT4OID => Form::Float4,
            pg_sys::FLOAT8OID => Form::Float8,
            pg_sys::JSONOID => Form::Json,
            pg_sys::JSONBOID => Form::Jsonb,
            pg_sys::VOIDOID => Form::Void,
            pg_sys::TIMESTAMPTZOID => Form::Timestamptz,
            pg_sys::TIMESTAMPOID => Form::Timestamp,
            _ if element != pg_sys::InvalidOid => Form::Array,
            _ if pg_sys::type_is_rowtype(base) => Form::Composite,
            _ => Form::Text,
        };
        TypeFacts { form, base, output, is_varlena, element }
    };
    TYPES.with_borrow_mut(|types| types.insert(type_oid, facts));
    facts
}

/// Appends a value as JSON.
///
/// # Safety
/// `datum` is a live value of type `type_oid`, and not NULL.
pub unsafe fn write_json(json: &mut Sink, datum: pg_sys::Datum, type_oid: pg_sys::Oid) {
    let facts = facts(type_oid);
    // SAFETY: the value is of this type, as the caller promises.
    unsafe {
        if json.is_full() || is_too_large(json, &facts, datum) {
            return json.overflow();
        }
        match facts.form {
            Form::Bool => json.push_str(if datum.value() as u8 != 0 { "true" } else { "false" }),
            Form::Int2 => write_display(json, datum.value() as i16),
            Form::Int4 => write_display(json, datum.value() as i32),
            Form::Int8 => write_display(json, datum.value() as i64),
            Form::Float4 => write_float(json, f64::from(f32::from_bits(datum.value() as u32)), || {
                output_text(&facts, datum)
            }),
            Form::Float8 => {
                write_float(json, f64::from_bits(datum.value() as u64), || output_text(&facts, datum))
            }
            Form::Jsonb => write_jsonb(json, datum),
            Form::Json => write_output(json, &facts, datum),
            Form::Void => json.push_str("null"),
            Form::Timestamptz => write_timestamp(json, &facts, datum, true),
            Form::Timestamp => write_timestamp(json, &facts, datum, false),
            Form::Array => write_array(json, &facts, datum),
            Form::Composite => write_composite(json, datum),
            Form::Text => write_output(json, &facts, datum),
        }
    }
}

/// Whether a value is the JSON value `null`, which is not NULL.
///
/// # Safety
/// As [`write_json`].
pub unsafe fn is_json_null(datum: pg_sys::Datum, type_oid: pg_sys::Oid) -> bool {
    /// More than a `null` takes, with the blanks that `json` keeps around it.
    const SIZE_MAX: usize = 64;
    let facts = facts(type_oid);
    let is_json = matches!(facts.form, Form::Json | Form::Jsonb);
    // SAFETY: a varlena value; one that lies elsewhere is not fetched.
    if !is_json || unsafe { pg_sys::toast_raw_datum_size(datum) } > SIZE_MAX {
        return false;
    }
    let mut json = Sink::new(SIZE_MAX);
    // SAFETY: promised by the caller.
    unsafe { write_json(&mut json, datum, type_oid) };
    json.finish("").trim() == "null"
}

/// Whether a value will not fit, by its size in the server's form, before a copy or a text is made of it. A value that is
/// much larger there than its text would be counts by that.
///
/// # Safety
/// As [`write_json`].
unsafe fn is_too_large(json: &Sink, facts: &TypeFacts, datum: pg_sys::Datum) -> bool {
    const HEADER: usize = size_of::<i32>();
    /// By how much a form that says little about the text's length may exceed it.
    const ALLOWANCE: usize = 8 * 1024 * 1024;
    if !facts.is_varlena {
        return false;
    }
    // SAFETY: a varlena value; one that lies elsewhere is not fetched.
    let size = unsafe { pg_sys::toast_raw_datum_size(datum) }.saturating_sub(HEADER);
    match facts.base {
        pg_sys::TEXTOID | pg_sys::VARCHAROID | pg_sys::BPCHAROID | pg_sys::JSONOID | pg_sys::XMLOID => {
            size > json.left()
        }
        pg_sys::BYTEAOID => size.saturating_mul(2) > json.left(),
        pg_sys::BITOID | pg_sys::VARBITOID => size.saturating_sub(HEADER).saturating_mul(8) > json.left(),
        _ => size > json.left().saturating_add(ALLOWANCE),
    }
}

fn write_display(json: &mut Sink, value: impl std::fmt::Display) {
    // Writing to a sink cannot fail.
    let _ = write!(json, "{value}");
}

/// A number; a string where `jsonb` has no such number: NaN, the infinities and the negative zero.
fn write_float(json: &mut Sink, value: f64, text: impl FnOnce() -> String) {
    let is_number = value.is_finite() && !(value == 0.0 && value.is_sign_negative());
    if is_number { json.push_str(&text()) } else { json.push_string(&text()) }
}

/// Keeps the styles of a role or a step out of what is stored: the next step may have others. Restores on drop.
struct PlainStyle {
    date_style: i32,
    interval_style: i32,
    extra_float_digits: i32,
    bytea_output: i32,
}

unsafe extern "C" {
    static mut bytea_output: i32;
}

impl PlainStyle {
    fn enter() -> PlainStyle {
        /// `BYTEA_OUTPUT_HEX` of `utils/bytea.h`.
        const BYTEA_OUTPUT_HEX: i32 = 1;
        // SAFETY: plain variables of this process; the values are those of their settings.
        unsafe {
            let style = PlainStyle {
                date_style: pg_sys::DateStyle,
                interval_style: pg_sys::IntervalStyle,
                extra_float_digits: pg_sys::extra_float_digits,
                bytea_output,
            };
            pg_sys::DateStyle = pg_sys::USE_ISO_DATES as i32;
            pg_sys::IntervalStyle = pg_sys::INTSTYLE_POSTGRES as i32;
            // Enough for each number to come back as it was, and no more.
            pg_sys::extra_float_digits = 1;
            bytea_output = BYTEA_OUTPUT_HEX;
            style
        }
    }
}

impl Drop for PlainStyle {
    fn drop(&mut self) {
        // Runs while an error unwinds too; it cannot raise.
        // SAFETY: restores what `enter` saw.
        unsafe {
            pg_sys::DateStyle = self.date_style;
            pg_sys::IntervalStyle = self.interval_style;
            pg_sys::extra_float_digits = self.extra_float_digits;
            bytea_output = self.bytea_output;
        }
    }
}

/// Appends what the type's output function gives: as it is for JSON, otherwise as a string.
///
/// # Safety
/// As [`write_json`].
unsafe fn write_output(json: &mut Sink, facts: &TypeFacts, datum: pg_sys::Datum) {
    let _style = PlainStyle::enter();
    // SAFETY: the output function belongs to the value's type and returns a C string.
    unsafe {
        let text = pg_sys::OidOutputFunctionCall(facts.output, detoasted(facts, datum));
        let bytes = encoding::utf8_bytes(text);
        if facts.form == Form::Json { json.push_bytes(bytes) } else { json.push_bytes_as_string(bytes) }
    }
}

/// Appends a document member by member, so that none is made text beyond the limit.
///
/// # Safety
/// `datum` is a `jsonb`.
unsafe fn write_jsonb(json: &mut Sink, datum: pg_sys::Datum) {
    use pg_sys::JsonbIteratorToken as Token;
    // SAFETY: the document is detoasted, and its container lies behind the length; the iterator goes through it and
    // says what each value is.
    unsafe {
        let document = pg_sys::pg_detoast_datum(datum.cast_mut_ptr());
        let container = document.byte_add(size_of::<i32>()).cast::<pg_sys::JsonbContainer>();
        let mut iterator = pg_sys::JsonbIteratorInit(container);
        let mut value: pg_sys::JsonbValue = std::mem::zeroed();
        let (mut is_first, mut is_scalar) = (true, false);
        while !json.is_full() {
            let token = pg_sys::JsonbIteratorNext(&mut iterator, &mut value, false);
            let begins = matches!(
                token,
                Token::WJB_KEY | Token::WJB_ELEM | Token::WJB_BEGIN_ARRAY | Token::WJB_BEGIN_OBJECT
            );
            if begins && !is_first {
                json.push_str(",");
            }
            is_first = matches!(token, Token::WJB_KEY | Token::WJB_BEGIN_ARRAY | Token::WJB_BEGIN_OBJECT);
            match token {
                Token::WJB_BEGIN_ARRAY => {
                    is_scalar = value.val.array.rawScalar;
                    json.push_str(if is_scalar { "" } else { "[" });
                }
                Token::WJB_BEGIN_OBJECT => json.push_str("{"),
                Token::WJB_KEY => {
                    write_scalar(json, &value);
                    json.push_str(":");
                }
                Token::WJB_VALUE | Token::WJB_ELEM => write_scalar(json, &value),
                Token::WJB_END_ARRAY => json.push_str(if is_scalar { "" } else { "]" }),
                Token::WJB_END_OBJECT => json.push_str("}"),
                _ => return,
            }
        }
    }
}

/// # Safety
/// `value` is a scalar of a `jsonb`.
unsafe fn write_scalar(json: &mut Sink, value: &pg_sys::JsonbValue) {
    // SAFETY: the type says which member of the union is there; a string is not terminated.
    unsafe {
        match value.type_ {
            pg_sys::jbvType::jbvString => {
                let (text, len) = (value.val.string.val, value.val.string.len as usize);
                json.push_bytes_as_string(encoding::utf8_bytes_of(text, len));
            }
            pg_sys::jbvType::jbvNumeric => {
                let number = pg_sys::Datum::from(value.val.numeric);
                let output = pg_sys::Oid::from(pg_sys::F_NUMERIC_OUT);
                json.push_bytes(encoding::utf8_bytes(pg_sys::OidOutputFunctionCall(output, number)));
            }
            pg_sys::jbvType::jbvBool => json.push_str(if value.val.boolean { "true" } else { "false" }),
            _ => json.push_str("null"),
        }
    }
}

/// # Safety
/// As [`write_json`].
unsafe fn output_text(facts: &TypeFacts, datum: pg_sys::Datum) -> String {
    let _style = PlainStyle::enter();
    // SAFETY: the output function belongs to the value's type and returns a C string.
    unsafe { encoding::to_utf8(pg_sys::OidOutputFunctionCall(facts.output, detoasted(facts, datum))) }
}

/// # Safety
/// As [`write_json`].
unsafe fn detoasted(facts: &TypeFacts, datum: pg_sys::Datum) -> pg_sys::Datum {
    if facts.is_varlena {
        // SAFETY: a varlena value, detoasted into palloc'd memory where it has to be.
        unsafe { pg_sys::Datum::from(pg_sys::pg_detoast_datum(datum.cast_mut_ptr())) }
    } else {
        datum
    }
}

/// # Safety
/// As [`write_json`].
unsafe fn write_timestamp(json: &mut Sink, facts: &TypeFacts, datum: pg_sys::Datum, has_zone: bool) {
    let micros = datum.value() as i64;
    if micros == i64::MAX || micros == i64::MIN {
        // SAFETY: as for the caller.
        let text = unsafe { output_text(facts, datum) };
        return json.push_string(&text);
    }
    /// From 1970 to 2000.
    const EPOCH_SHIFT_US: i64 = 946_684_800_000_000;
    let shifted = micros.checked_add(EPOCH_SHIFT_US).and_then(chrono::DateTime::from_timestamp_micros);
    match shifted {
        // What ISO 8601 writes for years beyond these, PostgreSQL does not read.
        Some(at) if (1..=9999).contains(&at.year()) => {
            let zone = if has_zone { "%:z" } else { "" };
            let fraction = if micros.rem_euclid(1_000_000) == 0 { "" } else { "%.6f" };
            let text = at.format(&format!("%Y-%m-%dT%H:%M:%S{fraction}{zone}")).to_string();
            json.push_string(&text);
        }
        _ => {
            // SAFETY: as for the caller.
            let text = unsafe { output_text(facts, datum) };
            json.push_string(&text);
        }
    }
}

/// # Safety
/// `datum` is an array whose element type is `facts.element`.
unsafe fn write_array(json: &mut Sink, facts: &TypeFacts, datum: pg_sys::Datum) {
    // SAFETY: the array is detoasted; the iterator gives as many elements as its dimensions say, one after the other.
    unsafe {
        let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
        let sizes = array.byte_add(size_of::<pg_sys::ArrayType>()).cast::<i32>();
        let sizes: Vec<usize> = (0..(*array).ndim as usize).map(|place| *sizes.add(place) as usize).collect();
        if sizes.is_empty() {
            return json.push_str("[]");
        }
        let iterator = pg_sys::array_create_iterator(array, 0, std::ptr::null_mut());
        write_dimension(json, &sizes, &mut |json| {
            let (mut value, mut is_null) = (pg_sys::Datum::from(0usize), false);
            let is_there = pg_sys::array_iterate(iterator, &mut value, &mut is_null);
            if is_there && !is_null {
                write_json(json, value, facts.element);
            } else {
                json.push_str("null");
            }
        });
    }
}

fn write_dimension(json: &mut Sink, sizes: &[usize], write_element: &mut dyn FnMut(&mut Sink)) {
    let Some((size, inner)) = sizes.split_first() else { return write_element(json) };
    json.push_str("[");
    for place in 0..*size {
        if json.is_full() {
            return;
        }
        if place > 0 {
            json.push_str(",");
        }
        write_dimension(json, inner, write_element);
    }
    json.push_str("]");
}

/// # Safety
/// `datum` is a composite value.
unsafe fn write_composite(json: &mut Sink, datum: pg_sys::Datum) {
    // SAFETY: the header names the row type; the tuple built on it is read while the value lives.
    unsafe {
        let header = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::HeapTupleHeaderData>();
        let type_oid = (*header).t_choice.t_datum.datum_typeid;
        let modifier = (*header).t_choice.t_datum.datum_typmod;
        let descriptor = pg_sys::lookup_rowtype_tupdesc_copy(type_oid, modifier);
        let mut tuple: pg_sys::HeapTupleData = std::mem::zeroed();
        // The length word of a composite value holds its size times four.
        tuple.t_len = (*header).t_choice.t_datum.datum_len_ as u32 >> 2;
        tuple.t_data = header;
        json.push_str("{");
        let mut is_first = true;
        for place in 0..(*descriptor).natts {
            let attribute = attribute(descriptor, place);
            if (*attribute).attisdropped {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                json.push_str(",");
            }
            json.push_string(&encoding::to_utf8((*attribute).attname.data.as_ptr()));
            json.push_str(":");
            let mut is_null = false;
            let value = pg_sys::heap_getattr(&mut tuple, place + 1, descriptor, &mut is_null);
            if is_null { json.push_str("null") } else { write_json(json, value, (*attribute).atttypid) }
        }
        json.push_str("}");
    }
}

/// The attribute of a row type, from 0.
///
/// # Safety
/// `place` is less than the descriptor's `natts`.
pub unsafe fn attribute(descriptor: pg_sys::TupleDesc, place: i32) -> pg_sys::Form_pg_attribute {
    // SAFETY: promised by the caller.
    #[cfg(not(feature = "pg18"))]
    unsafe {
        (*descriptor).attrs.as_mut_ptr().add(place as usize)
    }
    // SAFETY: promised by the caller; the full attributes follow the compact ones.
    #[cfg(feature = "pg18")]
    unsafe {
        let compact = (&raw mut (*descriptor).compact_attrs).cast::<pg_sys::CompactAttribute>();
        compact.add((*descriptor).natts as usize).cast::<pg_sys::FormData_pg_attribute>().add(place as usize)
    }
}

/// The type as which a value of this one is read from its JSON: pseudo-types and types without an input function
/// can be results, but not parameters.
pub fn type_when_read(type_oid: pg_sys::Oid) -> pg_sys::Oid {
    match type_oid {
        pg_sys::RECORDOID | pg_sys::RECORDARRAYOID | pg_sys::ANYARRAYOID => pg_sys::JSONBOID,
        pg_sys::PG_NODE_TREEOID
        | pg_sys::PG_NDISTINCTOID
        | pg_sys::PG_DEPENDENCIESOID
        | pg_sys::PG_MCV_LISTOID
        | pg_sys::PG_BRIN_BLOOM_SUMMARYOID
        | pg_sys::PG_BRIN_MINMAX_MULTI_SUMMARYOID => pg_sys::TEXTOID,
        // SAFETY: a catalog look-up by oid; what is not found is no pseudo-type.
        _ if unsafe { pg_sys::get_typtype(type_oid) } as u8 == pg_sys::TYPTYPE_PSEUDO => pg_sys::TEXTOID,
        _ => type_oid,
    }
}

/// A type's name, schema-qualified and with its modifier.
pub fn type_name(type_oid: pg_sys::Oid, modifier: i32) -> String {
    let flags = (pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_FORCE_QUALIFY) as u16;
    // SAFETY: returns a palloc'd C string for any oid.
    unsafe { encoding::to_utf8(pg_sys::format_type_extended(type_oid, modifier, flags)) }
}

/// The type of this name, domains reduced to what they are based on. Raises for an unknown one.
pub fn type_of_name(name: &str) -> pg_sys::Oid {
    thread_local! {
        static NAMES: RefCell<HashMap<String, pg_sys::Oid>> = RefCell::new(HashMap::new());
    }
    if let Some(known) = NAMES.with_borrow(|names| names.get(name).copied()) {
        return known;
    }
    let text = encoding::from_utf8(name);
    let (mut oid, mut modifier) = (pg_sys::InvalidOid, -1);
    // SAFETY: raises for a type that does not exist (any more).
    let oid = unsafe {
        #[cfg(feature = "pg15")]
        pg_sys::parseTypeString(text.as_ptr(), &mut oid, &mut modifier, false);
        #[cfg(not(feature = "pg15"))]
        pg_sys::parseTypeString(text.as_ptr(), &mut oid, &mut modifier, std::ptr::null_mut());
        pg_sys::getBaseType(oid)
    };
    // Only built-in types keep their oid for ever.
    if oid.to_u32() < pg_sys::FirstGenbkiObjectId {
        NAMES.with_borrow_mut(|names| names.insert(name.to_owned(), oid));
    }
    oid
}

/// A JSON value as a value of a type; NULL for JSON null where the type is not JSON. Raises where it does not fit.
pub fn datum_of_json(value: &Value, type_oid: pg_sys::Oid) -> Option<pg_sys::Datum> {
    let facts = facts(type_oid);
    let text = match (facts.form, value) {
        (Form::Json | Form::Jsonb, value) => value.to_string(),
        (_, Value::Null) => return None,
        (Form::Int4, Value::Number(number))
            if let Some(int) = number.as_i64().and_then(|int| i32::try_from(int).ok()) =>
        {
            return Some(pg_sys::Datum::from(int));
        }
        (Form::Int8, Value::Number(number)) if number.is_i64() => {
            return Some(pg_sys::Datum::from(number.as_i64()?));
        }
        (Form::Bool, Value::Bool(value)) => return Some(pg_sys::Datum::from(*value)),
        _ => input_text(value, &facts),
    };
    Some(read(Some(&text), facts.base))
}

/// A JSON value as a client would have sent it for a parameter of this type: null is NULL whatever the type is, and a
/// domain's constraints count. Raises where it does not fit.
pub fn datum_as_sent(value: &Value, type_oid: pg_sys::Oid) -> Option<pg_sys::Datum> {
    let facts = facts(type_oid);
    match value {
        Value::Null if facts.base == type_oid => None,
        Value::Null => {
            // A domain may refuse NULL.
            read(None, type_oid);
            None
        }
        _ if facts.base == type_oid => datum_of_json(value, type_oid),
        _ if matches!(facts.form, Form::Json | Form::Jsonb) => Some(read(Some(&value.to_string()), type_oid)),
        _ => Some(read(Some(&input_text(value, &facts)), type_oid)),
    }
}

/// Calls a type's input function; `None` is NULL.
fn read(text: Option<&str>, type_oid: pg_sys::Oid) -> pg_sys::Datum {
    let text = text.map(encoding::from_utf8);
    let _style = PlainStyle::enter();
    let (mut input, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    // SAFETY: the input function belongs to the type and raises on text that it does not accept.
    unsafe {
        pg_sys::getTypeInputInfo(type_oid, &mut input, &mut parameter);
        let text = text.as_ref().map_or(std::ptr::null_mut(), |text| text.as_ptr().cast_mut());
        pg_sys::OidInputFunctionCall(input, text, parameter, -1)
    }
}

/// The type that a JSON value has by nature, where no column and no context says more.
pub fn own_type(value: &Value) -> pg_sys::Oid {
    match value {
        Value::Bool(_) => pg_sys::BOOLOID,
        Value::Number(number) if number.is_i64() => pg_sys::INT8OID,
        Value::Number(number) if !number::is_whole(number) && number::fits_float(number) => pg_sys::FLOAT8OID,
        Value::Number(_) => pg_sys::NUMERICOID,
        Value::String(_) | Value::Null => pg_sys::TEXTOID,
        Value::Array(_) | Value::Object(_) => pg_sys::JSONBOID,
    }
}

/// The text that the type's input function reads.
fn input_text(value: &Value, facts: &TypeFacts) -> String {
    match (facts.form, value) {
        (Form::Array, Value::Array(elements)) => {
            let element = self::facts(facts.element);
            let mut text = String::from("{");
            write_elements(&mut text, elements, &element);
            text.push('}');
            text
        }
        (Form::Text, Value::Array(numbers)) if facts.base == pg_sys::BYTEAOID => {
            hex(numbers).unwrap_or_else(|| no_bytes())
        }
        (Form::Composite, Value::Object(fields)) => {
            let types = field_types(facts.base);
            let mut text = String::from("(");
            for (place, (name, type_oid)) in types.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                match fields.get(name) {
                    None | Some(Value::Null) => {}
                    Some(field) => push_quoted(&mut text, &input_text(field, &self::facts(*type_oid))),
                }
            }
            text.push(')');
            text
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// A list of bytes, as JSON has them, in the form that `bytea` reads.
fn hex(numbers: &[Value]) -> Option<String> {
    let mut text = String::with_capacity(2 + 2 * numbers.len());
    text.push_str(r"\x");
    for number in numbers {
        let byte = number.as_u64().and_then(|number| u8::try_from(number).ok())?;
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(text)
}

fn no_bytes() -> ! {
    pgrx::ereport!(
        ERROR,
        pgrx::PgSqlErrorCode::ERRCODE_INVALID_TEXT_REPRESENTATION,
        "a JSON array is bytea only where all its elements are whole numbers from 0 to 255"
    );
}

fn write_elements(text: &mut String, elements: &[Value], facts: &TypeFacts) {
    for (place, element) in elements.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        match element {
            Value::Null => text.push_str("NULL"),
            Value::Array(inner)
                if facts.base == pg_sys::BYTEAOID
                    && let Some(bytes) = hex(inner) =>
            {
                push_quoted(text, &bytes);
            }
            Value::Array(inner) if !matches!(facts.form, Form::Json | Form::Jsonb) => {
                text.push('{');
                write_elements(text, inner, facts);
                text.push('}');
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                let is_json = matches!(facts.form, Form::Json | Form::Jsonb);
                let inner = if is_json { element.to_string() } else { input_text(element, facts) };
                push_quoted(text, &inner);
            }
        }
    }
}

fn push_quoted(text: &mut String, inner: &str) {
    text.push('"');
    for character in inner.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
}

fn field_types(row_type: pg_sys::Oid) -> Vec<(String, pg_sys::Oid)> {
    // SAFETY: raises unless the type is a row type; the copy lives until the context is reset.
    unsafe {
        let descriptor = pg_sys::lookup_rowtype_tupdesc_copy(row_type, -1);
        (0..(*descriptor).natts)
            .map(|place| attribute(descriptor, place))
            .filter(|attribute| !(**attribute).attisdropped)
            .map(|attribute| (encoding::to_utf8((*attribute).attname.data.as_ptr()), (*attribute).atttypid))
            .collect()
    }
}
