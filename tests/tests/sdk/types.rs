//! Values of Rust's types: they arrive as what they are in the column that docs/rust.md names for them, and come back.

use std::collections::HashMap;
use std::fmt::Debug;

use bytes::Bytes;
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use pg_durable_sdk::{Client, JsonSchema, Output, Step, Workflow, sql, workflow};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::kit::{Aside, run};

/// What the steps of a [`check`] find as `$input`.
#[derive(Serialize)]
struct Input<T> {
    value: T,
    some: Option<T>,
    none: Option<T>,
}

/// A row that has the value beside others.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "compared by how it looks")]
struct Row<T> {
    value: T,
    some: Option<T>,
    none: Option<T>,
}

/// A value, captured and as a part of the input, in a column of the type; a step refers to it there; and read again in all ways.
async fn check<T>(
    (client, session): (&Client, &Aside),
    (sql_type, text): (&str, &str),
    value: &T,
    captured: Step,
    (referred, read): (impl FnOnce(&Step<T>) -> Step, Reader<T>),
) -> Result<(), String>
where
    T: Serialize + Debug,
{
    session.run(&format!("DROP TABLE IF EXISTS cell; CREATE TABLE cell (way text, v {sql_type})"));
    let input = Input { value, some: Some(value), none: None };
    let one = sql("SELECT v FROM cell WHERE way = 'captured'").named("one").returns::<T>();
    let none = sql("SELECT v FROM cell WHERE way = 'none' LIMIT 1");
    let workflow = Workflow::new()
        .input(&input)
        .step(captured)
        .step(sql(
            "INSERT INTO cell VALUES ('part', $input.value), ('some part', $input.some?), ('none', $input.none?)",
        ))
        .step(&one)
        .step(referred(&one))
        .fan_out([
            sql("SELECT v FROM cell WHERE way = 'captured'"),
            sql("SELECT v FROM cell WHERE way = 'captured'"),
            none,
            sql("SELECT v FROM cell WHERE false"),
            sql("SELECT v FROM cell WHERE way IN ('captured', 'part')"),
            sql("SELECT c.v AS value, c.v AS some, n.v AS none FROM cell c, cell n WHERE c.way = 'captured' AND n.way = 'none' LIMIT 1"),
            sql("SELECT c.v AS a, n.v AS b FROM cell c, cell n WHERE c.way = 'captured' AND n.way = 'none' LIMIT 1"),
        ]);
    let graph = workflow.graph().map_err(|error| error.to_string())?;
    let notes =
        client.check(&workflow).await.map_err(|error| format!("check: {error}\n{}", graph.to_json()))?;
    if !notes.is_empty() {
        return Err(format!("check: {notes:?}"));
    }
    let started = workflow.start(client).await.map_err(|error| error.to_string())?;
    let output: Output = started.result().await.map_err(|error| error.to_string())?;
    let stored = session.value("SELECT string_agg(way || ': ' || v::text, E'\\n' ORDER BY way) FROM cell");
    let expected = ["captured", "part", "referred", "some", "some part"].map(|way| format!("{way}: {text}"));
    if stored != expected.join("\n") {
        return Err(format!("stored is\n{stored}\nand not {text}"));
    }
    read(&output, value)
}

/// Compares what is read of an output with the value: by what they look like, since a NaN is not equal to itself.
type Reader<T> = fn(&Output, &T) -> Result<(), String>;

fn alone<T: DeserializeOwned + Debug>(output: &Output, value: &T) -> Result<(), String> {
    type Read<T> = (T, Option<T>, Option<T>, Option<T>, Vec<T>, Row<T>, (T, Option<T>));
    let read: Read<T> = output.read().map_err(|error| format!("{}: {output}", chain(&error)))?;
    let value = format!("{value:?}");
    let expected = format!(
        "({value}, Some({value}), None, None, [{value}, {value}], Row {{ value: {value}, some: Some({value}), none: None }}, ({value}, None))"
    );
    if format!("{read:?}") == expected { Ok(()) } else { Err(format!("read is {read:?}")) }
}

/// The same of a list or tuple, which by itself would be one of rows or columns.
fn inside<T: DeserializeOwned + Debug>(output: &Output, value: &T) -> Result<(), String> {
    type Read<T> = ((), (), (), (), Vec<T>, Row<T>, (T, Option<T>));
    let read: Read<T> = output.read().map_err(|error| format!("{}: {output}", chain(&error)))?;
    let value = format!("{value:?}");
    let expected = format!(
        "((), (), (), (), [{value}, {value}], Row {{ value: {value}, some: Some({value}), none: None }}, ({value}, None))"
    );
    if format!("{read:?}") == expected { Ok(()) } else { Err(format!("read is {read:?}")) }
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Checks each value, of its type, in a column of the SQL type, where it is to have this text. Which type a capture has is
/// only known where it is written, so this is no function.
macro_rules! check_all {
    ($place:expr, $read:ident; $($type:ty = $value:expr => $sql:literal $text:expr;)+) => {{
        let mut wrong = Vec::new();
        $(
            let value: $type = $value;
            let (some, none): (_, Option<$type>) = (Some(&value), None);
            let captured = sql!("INSERT INTO cell VALUES ('captured', {value}), ('some', {some}), ('none', {none})");
            let referred = |one: &Step<$type>| sql!("INSERT INTO cell VALUES ('referred', {one})");
            if let Err(error) = check($place, ($sql, $text), &value, captured, (referred, $read)).await {
                wrong.push(format!("{} in {}: {error}", stringify!($type), $sql));
            }
        )+
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }};
}

#[test]
fn floats_that_json_has_no_numbers_for_arrive() {
    run("rust_floats", async |client, session| {
        check_all! { (&client, session), alone;
            f64 = f64::NAN => "double precision" "NaN";
            f64 = f64::INFINITY => "double precision" "Infinity";
            f64 = f64::NEG_INFINITY => "numeric" "-Infinity";
            f32 = f32::NAN => "real" "NaN";
            f32 = 1.1 => "double precision" "1.1";
            f32 = 1.1 => "numeric" "1.1";
            f64 = 0.1 + 0.2 => "double precision" "0.30000000000000004";
            f64 = 1.7976931348623157e308 => "double precision" "1.7976931348623157e+308";
        }
        check_all! { (&client, session), inside;
            Vec<f64> = vec![f64::NAN, -1.5, f64::INFINITY] => "double precision[]" "{NaN,-1.5,Infinity}";
        }
        check_all! { (&client, session), alone;
            HashMap<String, f64> = HashMap::from([("a".to_owned(), f64::NAN)]) => "jsonb" r#"{"a": "NaN"}"#;
        }
        // A document has no sign of zero; a parameter has.
        let zero = -0.0_f64;
        let signed = Workflow::new().step(sql!("SELECT {zero}::float8 AS v").returns::<f64>());
        let signed = signed.start(&client).await.expect("it starts").result().await.expect("it completes");
        assert_eq!(signed.to_bits(), zero.to_bits());
    });
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Parcel {
    payload: Vec<u8>,
    key: [u8; 2],
    none: Option<Vec<u8>>,
}

/// Whole, as a part, of a signal and of a result: each is a `bytea` where nothing around it says so.
#[workflow(name = "bytes.parts")]
async fn parts(parcel: Parcel) -> Result<Vec<u8>> {
    let sent: Vec<u8> = signal("payload").await?;
    let part: Parcel = signal("part").await?;
    let hex: String = sql!(
        "SELECT encode({parcel.payload} || {parcel.key} || {sent} || {part.payload}, 'hex') || ({parcel.none} IS NULL)"
    )
    .await?;
    let bytes: Bytes = sql!("SELECT {parcel.payload} || convert_to({hex}, 'UTF8') AS b").await?;
    let all: Vec<u8> = sql!("SELECT {bytes}").await?;
    Ok(all)
}

#[workflow(name = "bytes.whole")]
async fn whole(payload: Vec<u8>) -> Result<Vec<u8>> {
    let again: Vec<u8> = sql!("SELECT {payload}").await?;
    Ok(again)
}

#[test]
fn bytes_arrive_as_bytea() {
    run("rust_bytes", async |client, session| {
        check_all! { (&client, session), alone;
            Vec<u8> = vec![0, 255, 16] => "bytea" r"\x00ff10";
            Vec<u8> = vec![] => "bytea" r"\x";
            [u8; 3] = [0, 255, 16] => "bytea" r"\x00ff10";
            Box<[u8]> = Box::new([7]) => "bytea" r"\x07";
            Bytes = Bytes::from_static(&[0, 255, 16]) => "bytea" r"\x00ff10";
        }
        check_all! { (&client, session), inside;
            Vec<Vec<u8>> = vec![vec![0, 255], vec![]] => "bytea[]" r#"{"\\x00ff","\\x"}"#;
            Vec<Bytes> = vec![Bytes::from_static(&[0, 255])] => "bytea[]" r#"{"\\x00ff"}"#;
            Vec<i16> = vec![0, 255] => "smallint[]" "{0,255}";
        }
        let bytes = |bytes: &[u8]| bytes.to_vec();
        let parcel = Parcel { payload: bytes(&[0, 255]), key: [1, 2], none: None };
        assert_eq!(client.check(parts).await.expect("it is right"), []);
        let started = client.start(parts, parcel).await.expect("it starts");
        started.signal("payload", &bytes(&[3])).await.expect("it is sent");
        let part = Parcel { payload: bytes(&[4]), key: [0, 0], none: None };
        started.signal("part", &part).await.expect("it is sent");
        let result = started.result().await.expect("it completes");
        assert_eq!(result, [&[0, 255], &b"00ff01020304true"[..]].concat());

        assert_eq!(client.check(whole).await.expect("it is right"), []);
        let result = client.start(whole, bytes(&[0, 255])).await.expect("it starts").result().await;
        assert_eq!(result.expect("it completes"), [0, 255]);

        // Nothing else is taken for bytes.
        let numbers = vec![1, 300];
        let wrong = Workflow::new().step(sql!("SELECT {numbers}::bytea"));
        let failed =
            wrong.start(&client).await.expect("it starts").result().await.expect_err("300 is no byte");
        assert_eq!(failed.sqlstate(), Some("22P02"));
        let text = Workflow::new().step(sql("SELECT 'text' AS t").returns::<Bytes>());
        let failed = text.start(&client).await.expect("it starts").result().await.expect_err("it is a text");
        assert!(chain(&failed).contains("at t: a text is no bytes"), "{}", chain(&failed));
    });
}

#[derive(Debug, PartialEq, Deserialize)]
struct Docs {
    held: Option<Value>,
    gone: Option<Value>,
}

#[test]
fn the_null_of_json_is_told_from_null() {
    run("rust_null", async |client, session| {
        session.run("CREATE TABLE docs (id int, held jsonb, gone jsonb)");
        let (some, none, plain) = (Some(Value::Null), None::<Value>, Value::Null);
        let docs = sql("SELECT held, gone FROM docs ORDER BY id").named("docs").returns::<Vec<Docs>>();
        let doc = sql("SELECT held, gone FROM docs WHERE id = 1").returns::<Docs>();
        let workflow = Workflow::new()
            .step(sql!("INSERT INTO docs VALUES (1, {some}, {none}), (2, '7', {plain})"))
            .step(&docs)
            .step(&doc)
            .step(sql!("INSERT INTO docs VALUES (3, {doc.held}, {doc.gone})"))
            .step(sql!("INSERT INTO docs SELECT 4 + n, d.held, d.gone FROM (SELECT *, row_number() OVER () AS n FROM {docs.*}) d"))
            .step(sql("SELECT held, gone FROM docs ORDER BY id").returns::<Vec<Docs>>());
        assert_eq!(client.check(&workflow).await.expect("it is right"), []);
        let read = workflow.start(&client).await.expect("it starts").result().await.expect("it completes");
        let stored = session.value("SELECT string_agg(concat_ws(' ', id, held, coalesce(gone::text, 'NULL')), ', ' ORDER BY id) FROM docs");
        assert_eq!(stored, "1 null NULL, 2 7 null, 3 null NULL, 5 null NULL, 6 7 null");
        let null = || Docs { held: Some(Value::Null), gone: None };
        let seven = || Docs { held: Some(json!(7)), gone: Some(Value::Null) };
        assert_eq!(read, [null(), seven(), null(), null(), seven()]);

        // Alone, and of a fan-out's branch.
        let branches = ["SELECT 'null'::jsonb", "SELECT NULL::jsonb", "SELECT ' null '::json"].map(sql);
        let both = Workflow::new().fan_out(branches).returns::<(Option<Value>, Option<Value>, Value)>();
        let read = both.start(&client).await.expect("it starts").result().await.expect("it completes");
        assert_eq!(read, (Some(Value::Null), None, Value::Null));
    });
}

#[test]
fn columns_are_read_in_their_order_and_by_names_that_one_has() {
    run("rust_columns", async |client, _session| {
        // jsonb has the shorter name first.
        let ordered = || sql("SELECT 1 AS longer, 'x' AS s, 2 AS b");
        let tuple = Workflow::new().step(ordered().returns::<(i64, String, i64)>());
        let read = tuple.start(&client).await.expect("it starts").result().await.expect("it completes");
        assert_eq!(read, (1, "x".to_owned(), 2));
        let inner =
            Workflow::new().fan_out((ordered(), sql("SELECT 1"))).returns::<((i64, String, i64), Output)>();
        let (read, one) =
            inner.start(&client).await.expect("it starts").result().await.expect("it completes");
        assert_eq!((read.0, one.one::<i64>().expect("a number")), (1, 1));
        let output = Workflow::new().fan_out((ordered(), sql("SELECT 1"))).returns::<(Output, i64)>();
        let (output, _) =
            output.start(&client).await.expect("it starts").result().await.expect("it completes");
        assert_eq!(output.one::<(i64, String, i64)>().expect("in their order").2, 2);

        let lacking = Workflow::new().step(sql("SELECT 1 AS value, 2 AS som").returns::<Row<i64>>());
        let error =
            lacking.start(&client).await.expect("it starts").result().await.expect_err("there is no some");
        assert_eq!(error.sqlstate(), Some("42703"));
        assert!(
            chain(&error).ends_with(": the result has no column 'some' (available: value, som)"),
            "{}",
            chain(&error)
        );

        let twice =
            Workflow::new().step(sql("SELECT 1 AS v, 2 AS w, 3 AS v").returns::<HashMap<String, i64>>());
        let error = twice.start(&client).await.expect("it starts").result().await.expect_err("which v?");
        assert_eq!(error.sqlstate(), Some("42702"));
        assert!(error.hint().is_some_and(|hint| hint.contains("with AS")));
        assert!(chain(&error).ends_with(": the result has 2 columns of the name 'v'"), "{}", chain(&error));
    });
}

/// `time` writes and reads its own format unless it is told this.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rfc3339(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mood {
    Happy,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum External {
    Card { last: u16 },
    Cash(f64),
    Pair(i64, String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Card { last: u16 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", content = "is")]
enum Adjacent {
    Cash(i64),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Id(i64);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pair {
    a: i32,
    b: Option<String>,
}

fn parsed<T: std::str::FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("it is one")
}

#[test]
fn each_type_arrives_in_its_column_and_comes_back() {
    run("rust_types", async |client, session| {
        session.run("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN positive AS int CHECK (VALUE > 0)");
        let place = (&client, session);
        check_all! { place, alone;
            bool = true => "boolean" "true";
            i8 = -7 => "smallint" "-7";
            i32 = i32::MIN => "integer" "-2147483648";
            i64 = i64::MAX => "bigint" "9223372036854775807";
            u32 = u32::MAX => "bigint" "4294967295";
            u64 = u64::MAX => "numeric" "18446744073709551615";
            i128 = i128::MIN => "numeric" "-170141183460469231731687303715884105728";
            u128 = u128::MAX => "numeric(40)" "340282366920938463463374607431768211455";
            f32 = 1.5 => "real" "1.5";
            f64 = -2.5 => "double precision" "-2.5";
            f64 = 19.9 => "numeric(8,2)" "19.90";
            Decimal = parsed("12345678901234567890.123") => "numeric" "12345678901234567890.123";
            String = r#"a "b" {c}, \d $1 it's"#.to_owned() => "text" r#"a "b" {c}, \d $1 it's"#;
            char = 'ü' => "text" "ü";
            Uuid = Uuid::from_u128(7) => "uuid" "00000000-0000-0000-0000-000000000007";
            DateTime<Utc> = parsed("2026-02-03T04:05:06.789Z") => "timestamptz" "2026-02-03 04:05:06.789+00";
            DateTime<FixedOffset> = parsed("2026-02-03T04:05:06+00:00") => "timestamptz" "2026-02-03 04:05:06+00";
            NaiveDateTime = parsed("2026-02-03T04:05:06") => "timestamp" "2026-02-03 04:05:06";
            NaiveDate = parsed("2026-02-03") => "date" "2026-02-03";
            NaiveTime = parsed("04:05:06.7") => "time" "04:05:06.7";
            Rfc3339 = Rfc3339(OffsetDateTime::UNIX_EPOCH) => "timestamptz" "1970-01-01 00:00:00+00";
            time::Date = time::Date::from_ordinal_date(2026, 34).expect("a day") => "date" "2026-02-03";
            jiff::Timestamp = parsed("2026-02-03T04:05:06.789Z") => "timestamptz" "2026-02-03 04:05:06.789+00";
            jiff::civil::DateTime = parsed("2026-02-03T04:05:06") => "timestamp" "2026-02-03 04:05:06";
            jiff::civil::Date = parsed("2026-02-03") => "date" "2026-02-03";
            jiff::civil::Time = parsed("04:05:06.7") => "time" "04:05:06.7";
            std::net::IpAddr = parsed("10.1.2.3") => "inet" "10.1.2.3/32";
            String = "[1,5)".to_owned() => "int4range" "[1,5)";
            String = "1 day 02:00:00".to_owned() => "interval" "1 day 02:00:00";
            Mood = Mood::Happy => "mood" "happy";
            Mood = Mood::Happy => "text" "happy";
            Id = Id(7) => "positive" "7";
            Value = json!({"a": [1, null, "x"]}) => "jsonb" r#"{"a": [1, null, "x"]}"#;
            Value = json!([1.5]) => "json" "[1.5]";
            HashMap<String, i64> = HashMap::from([("a".to_owned(), 1)]) => "jsonb" r#"{"a": 1}"#;
            Pair = Pair { a: 1, b: Some("x, y".to_owned()) } => "jsonb" r#"{"a": 1, "b": "x, y"}"#;
            External = External::Card { last: 7 } => "jsonb" r#"{"Card": {"last": 7}}"#;
            External = External::Cash(f64::INFINITY) => "jsonb" r#"{"Cash": "Infinity"}"#;
            External = External::Pair(1, "x".to_owned()) => "jsonb" r#"{"Pair": [1, "x"]}"#;
            Internal = Internal::Card { last: 7 } => "jsonb" r#"{"kind": "Card", "last": 7}"#;
            Adjacent = Adjacent::Cash(7) => "jsonb" r#"{"is": 7, "kind": "Cash"}"#;
            Untagged = Untagged::Number(7) => "bigint" "7";
            Untagged = Untagged::Text("x".to_owned()) => "text" "x";
        }
        check_all! { place, inside;
            (i64, String) = (1, "x".to_owned()) => "jsonb" r#"[1, "x"]"#;
            Vec<i64> = vec![1, -2] => "bigint[]" "{1,-2}";
            Vec<Option<String>> = vec![Some("a b".to_owned()), None] => "text[]" r#"{"a b",NULL}"#;
            Vec<Decimal> = vec![parsed("1.10")] => "numeric[]" "{1.10}";
            Vec<Uuid> = vec![Uuid::nil()] => "uuid[]" "{00000000-0000-0000-0000-000000000000}";
            Vec<Pair> = vec![Pair { a: 1, b: None }] => "jsonb" r#"[{"a": 1, "b": null}]"#;
            [i32; 2] = [1, 2] => "integer[]" "{1,2}";
        }
        // An object within a document is jsonb wherever it stands, so only a capture is a composite by its place.
        let pair = Pair { a: 1, b: Some("x, y".to_owned()) };
        let input = Workflow::new().input(&json!({"pair": pair}));
        let both = input.step(
            sql!("SELECT {pair}::pair AS a, jsonb_populate_record(NULL::pair, $input.pair) AS b")
                .returns::<(Pair, Pair)>(),
        );
        let (a, b) = both.start(&client).await.expect("it starts").result().await.expect("it completes");
        assert_eq!(format!("{a:?} {b:?}"), format!("{pair:?} {pair:?}"));
    });
}
