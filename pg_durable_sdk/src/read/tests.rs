use super::*;
use crate::Output;
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, PartialEq, Deserialize)]
struct Hold {
    id: i64,
    amount: Option<f64>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Id(i64);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Paid {
    Card { last: u16 },
    Cash,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(i64),
    Text(String),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    Shipped,
}

fn rows(rows: serde_json::Value) -> serde_json::Value {
    let count = rows.as_array().map_or(0, Vec::len);
    json!({"rows": rows, "row_count": count})
}

/// What the server would tell of a result whose columns are in the order of the JSON.
fn layout_of(result: &Value) -> Option<Layout> {
    match (rows_of(result), result) {
        (Some(rows), _) => {
            let names = rows.first().and_then(Value::as_object).into_iter().flat_map(Map::iter);
            Some(Layout::Rows(names.map(|(name, _)| Described::new(name, "text")).collect()))
        }
        (None, Value::Array(results)) => Some(Layout::Branches(results.iter().map(layout_of).collect())),
        (None, _) => None,
    }
}

fn read<T: for<'de> Deserialize<'de>>(result: &serde_json::Value) -> Result<T, OutputError> {
    read_exact(&result.clone().into())
}

fn read_exact<T: for<'de> Deserialize<'de>>(result: &Value) -> Result<T, OutputError> {
    Reading::of(|reading| {
        T::deserialize(Whole { value: result, layout: layout_of(result).as_ref(), reading })
    })
}

#[track_caller]
fn check<T: for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(result: serde_json::Value, expected: T) {
    assert_eq!(read::<T>(&result).expect("it fits"), expected);
}

#[track_caller]
fn refuse<T: for<'de> Deserialize<'de> + std::fmt::Debug>(result: serde_json::Value, message: &str) {
    let error = read::<T>(&result).expect_err("it does not fit");
    let source = std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
    assert_eq!(source, message);
}

#[test]
fn one_row_is_read_by_its_columns() {
    check(rows(json!([{"id": 7, "amount": "19.90"}])), Hold { id: 7, amount: Some(19.9) });
    check(rows(json!([{"id": "7", "amount": null}])), Hold { id: 7, amount: None });
    check(rows(json!([{"id": 7, "x": 1}])), json!({"id": 7, "x": 1}));
    check(
        rows(json!([{"id": 7, "x": 1}])),
        std::collections::BTreeMap::from([("id".to_owned(), 7), ("x".to_owned(), 1)]),
    );
    refuse::<Hold>(rows(json!([])), "the result has 0 rows, not one");
    refuse::<Hold>(rows(json!([{"id": 1}, {"id": 2}])), "the result has 2 rows, not one");
    refuse::<Hold>(rows(json!([{"amount": 1}])), "missing field `id`");
}

#[test]
fn one_column_is_read_as_its_value() {
    check(rows(json!([{"n": 7}])), 7_i64);
    check(rows(json!([{"n": "7"}])), 7_u8);
    check(rows(json!([{"n": "7"}])), "7".to_owned());
    check(rows(json!([{"n": 7}])), Id(7));
    check(rows(json!([{"state": "shipped"}])), State::Shipped);
    check(rows(json!([{"doc": {"id": 7}}])), Hold { id: 7, amount: None });
    check(rows(json!([{"pair": [1, 2]}])), (1, 2));
    refuse::<i64>(rows(json!([{"n": "x"}])), "invalid type: string \"x\", expected i64");
    refuse::<i64>(rows(json!([{"a": 1, "b": 2}])), "the row has 2 columns, where one value is wanted");
    refuse::<State>(rows(json!([{"state": "lost"}])), "unknown variant `lost`, expected `open` or `shipped`");
}

#[test]
fn a_sequence_is_all_rows_and_an_option_none_or_one() {
    check(rows(json!([{"id": 1}, {"id": 2}])), vec![Id(1), Id(2)]);
    check(rows(json!([{"ids": [1, 2]}])), vec![vec![1, 2]]);
    check::<Vec<Hold>>(rows(json!([])), vec![]);
    check::<Option<Hold>>(rows(json!([])), None);
    check(rows(json!([{"id": 1, "amount": 2}])), Some(Hold { id: 1, amount: Some(2.0) }));
    check::<Option<i64>>(rows(json!([{"max": null}])), None);
    check(rows(json!([{"max": 3}])), Some(3));
    refuse::<Option<i64>>(rows(json!([{"n": 1}, {"n": 2}])), "the result has 2 rows, not one");
}

#[test]
fn a_fan_out_is_its_branches_and_the_rest_a_document() {
    let branches =
        json!([rows(json!([{"id": 1, "amount": null}])), rows(json!([{"n": 2}, {"n": 3}])), {"slept": true}]);
    #[derive(Debug, PartialEq, Deserialize)]
    struct Slept {
        slept: bool,
    }
    check(branches.clone(), (Hold { id: 1, amount: None }, vec![2, 3], Slept { slept: true }));
    refuse::<(Hold, Vec<i64>)>(branches.clone(), "invalid length 3, expected 2 elements in sequence");
    check(branches.clone(), ());
    check(branches.clone(), Output::new(branches.into()));
    check(json!([rows(json!([{"n": 1}])), rows(json!([{"n": 2}]))]), vec![1, 2]);
    check::<Option<Slept>>(json!(null), None);
    check(json!("done"), "done".to_owned());
    let inner = rows(json!([{"n": 2}]));
    check(json!([rows(json!([{"n": 1}])), inner.clone()]), (1, Output::new(inner.into())));
}

#[test]
fn what_asks_for_anything_gets_the_only_column() {
    check(rows(json!([{"jsonb": {"a": [1]}}])), json!({"a": [1]}));
    check(rows(json!([{"n": 7}])), json!(7));
    check::<Option<serde_json::Value>>(rows(json!([{"n": null}])), None);
    check(rows(json!([{"p": {"kind": "card", "last": 1234}}])), Paid::Card { last: 1234 });
    check(rows(json!([{"kind": "card", "last": 1234}])), Paid::Card { last: 1234 });
    check(rows(json!([{"p": {"kind": "cash"}}])), Some(Paid::Cash));
    check(rows(json!([{"n": 7}, {"n": "x"}])), vec![Either::Number(7), Either::Text("x".to_owned())]);
}

#[test]
fn a_tuple_is_the_columns_of_a_row_in_their_order() {
    check(rows(json!([{"a": 7, "b": "x"}])), (7_i64, "x".to_owned()));
    check(rows(json!([{"a": 7, "b": "x"}, {"a": 8, "b": null}])), vec![(7, Some("x".to_owned())), (8, None)]);
    check::<Option<(i64, String)>>(rows(json!([])), None);
    check(rows(json!([{"n": "170141183460469231731687303715884105727"}])), i128::MAX);
    refuse::<(i64, i64)>(rows(json!([{"a": 1}])), "invalid length 1, expected a tuple of size 2");
    refuse::<(i64, i64)>(
        rows(json!([{"a": 1, "b": 2, "c": 3}])),
        "invalid length 3, expected 2 elements in sequence",
    );
}

#[test]
fn numbers_are_read_digit_by_digit_and_columns_in_their_order() {
    let result = r#"{"rows":[{"b":1234567890123.456789,"a":18446744073709551616,"c":1.10}],"row_count":1}"#;
    let result = Value::parse(result).expect("JSON");
    let text = read_exact::<(String, String, String)>(&result).expect("it fits");
    assert_eq!(text, ("1234567890123.456789".into(), "18446744073709551616".into(), "1.10".into()));
    let numbers = read_exact::<(f64, i128, f64)>(&result).expect("it fits");
    assert_eq!(numbers, (1_234_567_890_123.456_8, 18_446_744_073_709_551_616, 1.1));
    let output = read_exact::<Output>(&result).expect("it fits");
    assert_eq!(output, Output::new(result));
    assert!(output.to_string().contains(r#"{"b":1234567890123.456789,"a":18446744073709551616,"c":1.10}"#));
}

#[test]
fn a_map_is_a_row_or_the_document_in_it() {
    let map = std::collections::HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    check(rows(json!([{"a": 1, "b": 2}])), map.clone());
    check(rows(json!([{"doc": {"a": 1, "b": 2}}])), map);
}

#[test]
fn an_error_tells_where_it_is() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read")]
    struct Order {
        id: i64,
        items: Vec<Hold>,
    }
    #[track_caller]
    fn path<T: for<'de> Deserialize<'de> + std::fmt::Debug>(result: serde_json::Value, expected: &str) {
        let error = read::<T>(&result).expect_err("it does not fit");
        assert_eq!(error.to_string(), format!("the result does not fit the type{expected}"));
    }
    path::<Order>(rows(json!([{"id": "x", "items": []}])), " at id");
    path::<Vec<Order>>(
        rows(json!([{"id": 1, "items": []}, {"id": 1, "items": [{"id": 1}, {"id": true}]}])),
        " at [1].items[1].id",
    );
    path::<i64>(rows(json!([{"n": "x"}])), " at n");
    path::<(i64, i64)>(rows(json!([{"m": 1, "n": "x"}])), " at n");
    path::<Order>(rows(json!([{"id": 1}])), "");
}

#[test]
fn what_is_no_number_of_json_is_a_float() {
    check(rows(json!([{"a": "NaN"}])), "NaN".to_owned());
    let read = |value: serde_json::Value| read::<f64>(&rows(json!([{"a": value}]))).expect("a float");
    assert!(read(json!("NaN")).is_nan());
    assert_eq!(read(json!("-0")).to_bits(), (-0.0_f64).to_bits());
    check(rows(json!([{"a": "Infinity"}, {"a": "-Infinity"}])), vec![f32::INFINITY, f32::NEG_INFINITY]);
    check(rows(json!([{"a": ["Infinity", 1.5]}])), (f64::INFINITY, 1.5));
    check(json!({"at": "Infinity"}), std::collections::BTreeMap::from([("at".to_owned(), f64::INFINITY)]));
    assert_eq!(Output::new(json!("Infinity").into()).one::<f64>().expect("a float"), f64::INFINITY);
    refuse::<f64>(rows(json!([{"a": [null]}])), "invalid type: sequence, expected f64");
}

#[test]
fn bytes_are_read_from_hex() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Part {
        payload: Vec<u8>,
        key: [u8; 2],
        none: Option<Vec<u8>>,
    }
    #[derive(Debug, PartialEq)]
    struct Bytes(Vec<u8>);
    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Bytes;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("bytes")
                }
                fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                    Ok(Bytes(bytes))
                }
            }
            deserializer.deserialize_byte_buf(Visitor)
        }
    }
    let one = || rows(json!([{"payload": r"\x00fF"}]));
    check(one(), vec![0_u8, 255]);
    check(one(), Some(vec![0_u8, 255]));
    check(one(), [0_u8, 255]);
    check(one(), (r"\x00fF".to_owned(),));
    check(one(), vec![r"\x00fF".to_owned()]);
    check(one(), vec![vec![0_u8, 255]]);
    check(one(), Bytes(vec![0, 255]));
    check(rows(json!([{"payload": r"\x41"}])), [0x41_u8]);
    check::<Vec<u8>>(rows(json!([{"payload": r"\x"}])), vec![]);
    check::<Vec<u8>>(rows(json!([])), vec![]);
    check(rows(json!([{"n": 1}, {"n": 2}])), vec![1_u8, 2]);
    let part = json!({"payload": r"\x01", "key": r"\x0203", "none": null});
    check(rows(json!([part])), Part { payload: vec![1], key: [2, 3], none: None });
    refuse::<[u8; 3]>(one(), "invalid length 2, expected an array of length 3");
    refuse::<[u8; 1]>(one(), "invalid length 2, expected 1 bytes");
    refuse::<Bytes>(
        rows(json!([{"payload": "text"}])),
        "a text is no bytes: select it as bytea, convert_to(…, 'UTF8')",
    );
    refuse::<Vec<u8>>(rows(json!([{"payload": r"\x0"}])), "invalid type: string \"\\\\x0\", expected u8");
}

#[test]
fn what_is_in_a_variant_is_read_as_a_column() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Found {
        Nothing,
        Number(i128),
        Pair(f64, Vec<u8>),
        Item { price: f64 },
    }
    for (json, expected) in [
        (json!("Nothing"), Found::Nothing),
        (json!({"Nothing": null}), Found::Nothing),
        (json!({"Number": "170141183460469231731687303715884105727"}), Found::Number(i128::MAX)),
        (json!({"Pair": ["Infinity", r"\x01"]}), Found::Pair(f64::INFINITY, vec![1])),
        (json!({"Item": {"price": "19.90"}}), Found::Item { price: 19.9 }),
    ] {
        check(rows(json!([{"found": json}])), expected);
    }
    refuse::<Found>(rows(json!([{"found": 7}])), "invalid type: integer `7`, expected string or map");
}

/// The names of columns, and the rows in which each holds the null of JSON.
type Columns<'a> = &'a [(&'a str, &'a [u64])];

/// Of a row whose members have another order than these columns.
#[track_caller]
fn described<T: for<'de> Deserialize<'de>>(
    columns: Columns<'_>,
    row: serde_json::Value,
) -> Result<T, OutputError> {
    let column = |(name, nulls): &(&str, &[u64])| Described {
        json_nulls: nulls.to_vec(),
        ..Described::new(*name, "jsonb")
    };
    let layout = Layout::Rows(columns.iter().map(column).collect());
    let result = rows(json!([row])).into();
    Reading::of(|reading| T::deserialize(Whole { value: &result, layout: Some(&layout), reading }))
}

#[test]
fn columns_have_their_own_order() {
    let row = || json!({"b": 1, "aa": 2});
    let read: (i64, i64) = described(&[("aa", &[]), ("b", &[])], row()).expect("it fits");
    assert_eq!(read, (2, 1));
    let result = rows(json!([row()])).into();
    let unknown =
        <(i64, i64)>::deserialize(Whole { value: &result, layout: None, reading: &Reading::default() })
            .expect_err("nobody knows the order");
    assert!(
        std::error::Error::source(&unknown).expect("why").to_string().starts_with("a list does not tell")
    );
}

#[test]
fn columns_of_one_name_are_refused_where_the_name_is_read() {
    let twice: Columns<'_> = &[("id", &[]), ("amount", &[]), ("id", &[])];
    let row = || json!({"id": 1, "amount": 2, "id_2": 3});
    let message = "the result has 2 columns of the name 'id'";
    for error in [
        described::<Hold>(twice, row()).err(),
        described::<Option<Hold>>(twice, row()).err(),
        described::<Vec<std::collections::BTreeMap<String, i64>>>(twice, row()).err(),
    ] {
        assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(message));
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Amount {
        amount: i64,
        id_2: i64,
    }
    assert_eq!(described::<Amount>(twice, row()).expect("it asks for others"), Amount { amount: 2, id_2: 3 });
    assert_eq!(described::<(i64, i64, i64)>(twice, row()).expect("by their order"), (1, 2, 3));
    assert_eq!(described::<serde_json::Value>(twice, row()).expect("as it is"), row());
}

#[test]
fn the_null_of_json_is_no_null() {
    let (null, json_null): (Columns<'_>, Columns<'_>) = (&[("v", &[])], &[("v", &[0])]);
    let row = || json!({"v": null});
    assert_eq!(described::<Option<serde_json::Value>>(null, row()).expect("it fits"), None);
    assert_eq!(described::<Option<serde_json::Value>>(json_null, row()).expect("it fits"), Some(json!(null)));
    #[derive(Debug, PartialEq, Deserialize)]
    struct Doc {
        v: Option<serde_json::Value>,
    }
    assert_eq!(described::<Doc>(null, row()).expect("it fits"), Doc { v: None });
    assert_eq!(described::<Doc>(json_null, row()).expect("it fits"), Doc { v: Some(json!(null)) });
    assert_eq!(
        described::<Vec<Option<serde_json::Value>>>(json_null, row()).expect("it fits"),
        [Some(json!(null))]
    );
    let error = described::<Option<i64>>(json_null, row()).expect_err("it is no number");
    let source = std::error::Error::source(&error).expect("why").to_string();
    assert!(source.starts_with("the null of JSON, which is not NULL"), "{source}");
}

#[test]
fn an_option_excuses_no_missing_column() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        id: i64,
        #[serde(alias = "remark")]
        note: Option<String>,
        #[serde(default)]
        count: i64,
    }
    let row = |note: Option<&str>| Row { id: 1, note: note.map(str::to_owned), count: 0 };
    check(rows(json!([{"id": 1, "note": null}])), row(None));
    check(rows(json!([{"id": 1, "remark": "x"}])), row(Some("x")));
    check(rows(json!([{"id": 1, "note": "x", "count": 2}])), Row { count: 2, ..row(Some("x")) });
    check::<Vec<Row>>(rows(json!([])), vec![]);
    // A document says nothing of what it lacks.
    check(rows(json!([{"doc": {"id": 1}}])), row(None));
    let message = "the result has no column 'note' (available: id, nota)";
    let wrong = || rows(json!([{"id": 1, "nota": "x"}]));
    refuse::<Row>(wrong(), message);
    refuse::<Option<Row>>(wrong(), message);
    refuse::<Vec<Row>>(wrong(), message);
    refuse::<(Row, Row)>(json!([rows(json!([{"id": 1, "note": null}])), wrong()]), message);
    refuse::<Row>(rows(json!([{"note": "x"}])), "missing field `id`");
}
