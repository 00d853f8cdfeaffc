//! Every way by which a value leaves a block, for every source that it may come from: its fields follow it.
//!
//! The unit test keeps the graphs, the integration test runs them. What cannot be written at all (`match`, `let` of a
//! value that is there already, rows mixed with a list) has its message in `tests/ui`.

use pg_durable_sdk::{Define, JsonSchema, Output, Workflow, workflow};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    yes: bool,
    inner: Click,
    maybe: Option<Click>,
    nothing: Option<Click>,
    clicks: Vec<Click>,
    numbers: Vec<i64>,
    text: String,
    key: Key,
    readings: Vec<Reading>,
}

/// Has a field that is called as a column without a name of its own is.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    value: i64,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct Click {
    token: String,
    n: i64,
    by: Option<String>,
}

/// Has no SQL type of its own: a number, text or `uuid` by where it stands.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct Key(String);

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    click: Click,
    moment: String,
    list: Vec<i64>,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub enum State {
    Open,
    Closed,
}

/// What SQL finds in a value.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    seen: Value,
}

/// A value of a source, after one of the ways.
pub struct Cell {
    pub source: &'static str,
    pub way: &'static str,
    pub workflow: Workflow,
    /// Reads the result as its type does.
    pub read: fn(&Output) -> Value,
    pub result: Value,
}

fn cell<O: DeserializeOwned + Serialize + JsonSchema>(
    (source, way): (&'static str, &'static str),
    workflow: impl Define<Output = O>,
    result: &Value,
) -> Cell {
    let read = |output: &Output| {
        let value: O = output.read().unwrap_or_else(|error| panic!("{output}: {error}"));
        serde_json::to_value(value).expect("it is JSON")
    };
    let workflow = workflow.define().workflow().clone().returns();
    Cell { source, way, workflow, read, result: result.clone() }
}

/// What all of them are started with.
pub fn input() -> Value {
    json!({
        "yes": true,
        "inner": {"token": "part", "n": 9_007_199_254_740_993_i64, "by": null},
        "maybe": {"token": "maybe", "n": 5, "by": "Ann"},
        "nothing": null,
        "clicks": [{"token": "a", "n": 1, "by": null}, {"token": "b", "n": 2, "by": "Bo"}],
        "numbers": [3, 4],
        "text": "it's",
        "key": "6f2c1b3e-0000-4000-8000-000000000001",
        "readings": [{"value": 1}, {"value": 2}],
    })
}

/// The signals that are sent to all of them.
pub fn signals() -> Vec<(&'static str, Value)> {
    let click = json!({"token": "signal", "n": 7, "by": "Cy"});
    let clicks = json!([{"token": "c", "n": 10, "by": null}, {"token": "d", "n": 20, "by": null}]);
    vec![
        ("click", click.clone()),
        ("click", click),
        ("clicks", clicks),
        ("key", json!("6f2c1b3e-0000-4000-8000-000000000001")),
        ("number", json!(41)),
        ("reading", json!({"value": 5})),
    ]
}

/// The ways of a source: the statements that lead to the value, the value, and SQL that looks at what arrived.
macro_rules! source {
    (
        $source:ident: $Type:ty, $input:ident $got:ident { $($before:tt)* } $value:expr;
        $look:literal gives $seen:tt, is $whole:tt
    ) => {
        mod $source {
            #[allow(unused_imports, reason = "not every source needs all of them")]
            use super::*;

            #[workflow(name = "loop")]
            async fn by_loop($input: Input) -> Result<Seen> {
                let $got: $Type = loop {
                    $($before)*
                    break $value;
                };
                sql!($look).await
            }

            #[workflow(name = "if")]
            async fn by_if($input: Input) -> Result<Seen> {
                let $got: $Type = if $input.yes {
                    $($before)*
                    $value
                } else {
                    $($before)*
                    $value
                };
                sql!($look).await
            }

            #[workflow(name = "if with return")]
            async fn by_if_that_returns($input: Input) -> Result<Seen> {
                let $got: $Type = if $input.yes {
                    $($before)*
                    $value
                } else {
                    return sql!("SELECT 'null'::jsonb AS seen").await;
                };
                sql!($look).await
            }

            #[workflow(name = "race")]
            async fn by_race($input: Input) -> Result<Seen> {
                let $got: $Type = race!(
                    async {
                        $($before)*
                        Ok($value)
                    },
                    async {
                        sleep(hours(1)).await?;
                        $($before)*
                        Ok($value)
                    },
                )
                .await?;
                sql!($look).await
            }

            #[workflow(name = "join")]
            async fn by_join($input: Input) -> Result<Seen> {
                let ($got, _): ($Type, i64) = join!(
                    async {
                        $($before)*
                        Ok($value)
                    },
                    sql!("SELECT 1"),
                )
                .await?;
                sql!($look).await
            }

            #[workflow(name = "retry")]
            async fn by_retry($input: Input) -> Result<Seen> {
                let $got: $Type = retry!(Retry::new(), async {
                    $($before)*
                    Ok($value)
                })
                .await?;
                sql!($look).await
            }

            #[workflow(name = "retry at the end")]
            async fn by_last_retry($input: Input) -> Result<$Type> {
                retry!(Retry::new(), async {
                    $($before)*
                    Ok($value)
                })
                .await
            }

            #[workflow(name = "body")]
            async fn by_body($input: Input) -> Result<Seen> {
                let $got: $Type = match async {
                    $($before)*
                    Ok($value)
                }
                .await
                {
                    Ok(got) => got,
                    Err(error) => fail!("{error.message}"),
                };
                sql!($look).await
            }

            #[workflow(name = "handler")]
            async fn by_handler($input: Input) -> Result<Seen> {
                let $got: $Type = match async {
                    sql!("SELECT 1 / (random() * 0)::int").await?;
                    $($before)*
                    Ok($value)
                }
                .await
                {
                    Ok(got) => got,
                    Err(error) => {
                        sql!("SELECT {error.sqlstate}, {error.detail}::text").await?;
                        $($before)*
                        $value
                    }
                };
                sql!($look).await
            }

            #[workflow(name = "body, or return")]
            async fn by_body_or_return($input: Input) -> Result<Seen> {
                let $got: $Type = match async {
                    $($before)*
                    Ok($value)
                }
                .await
                {
                    Ok(got) => got,
                    Err(error) => return sql!("SELECT to_jsonb({error.message}::text) AS seen").await,
                };
                sql!($look).await
            }

            #[workflow(name = "body at the end")]
            async fn by_last_body($input: Input) -> Result<$Type> {
                match async {
                    $($before)*
                    Ok($value)
                }
                .await
                {
                    Ok(got) => Ok(got),
                    Err(_) => fail!("no"),
                }
            }

            #[workflow(name = "twice")]
            async fn by_loop_and_if($input: Input) -> Result<$Type> {
                let $got: $Type = loop {
                    $($before)*
                    break $value;
                };
                let $got: $Type = if $input.yes { $got } else { $got };
                Ok($got)
            }

            #[workflow(name = "return")]
            async fn by_return($input: Input) -> Result<$Type> {
                if $input.yes {
                    $($before)*
                    return Ok($value);
                }
                $($before)*
                Ok($value)
            }

            pub(super) fn cells() -> Vec<Cell> {
                let (seen, whole): (Value, Value) = (json!({"seen": $seen}), json!($whole));
                let at = |way| (stringify!($source), way);
                vec![
                    cell(at("loop"), by_loop, &seen),
                    cell(at("if"), by_if, &seen),
                    cell(at("if with return"), by_if_that_returns, &seen),
                    cell(at("race"), by_race, &seen),
                    cell(at("join"), by_join, &seen),
                    cell(at("retry"), by_retry, &seen),
                    cell(at("retry at the end"), by_last_retry, &whole),
                    cell(at("body"), by_body, &seen),
                    cell(at("handler"), by_handler, &seen),
                    cell(at("body, or return"), by_body_or_return, &seen),
                    cell(at("body at the end"), by_last_body, &whole),
                    cell(at("loop and if"), by_loop_and_if, &whole),
                    cell(at("return"), by_return, &whole),
                ]
            }
        }
    };
}

source! {
    row: Click, input got {
        let s: Click = sql!("SELECT 'row' AS token, 2::bigint AS n, NULL::text AS by").await?;
    } s;
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["row!", 3, null], is {"token": "row", "n": 2, "by": null}
}

source! {
    signal: Click, input got { let s: Click = signal("click").await?; } s;
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["signal!", 8, "Cy"], is {"token": "signal", "n": 7, "by": "Cy"}
}

source! {
    part: Click, input got {} input.inner.clone();
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["part!", 9_007_199_254_740_994_i64, null],
    is {"token": "part", "n": 9_007_199_254_740_993_i64, "by": null}
}

source! {
    literal: Click, input got {} Click { token: input.text.clone(), n: 1, by: Some("x".to_owned()) };
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["it's!", 2, "x"], is {"token": "it's", "n": 1, "by": "x"}
}

source! {
    column: Click, input got {
        let s: Row = sql!(
            r#"SELECT '{{"token": "column", "n": 3, "by": null}}'::jsonb AS click, now() AS moment, ARRAY[1, 2] AS list"#
        )
        .await?;
    } s.click;
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["column!", 4, null], is {"token": "column", "n": 3, "by": null}
}

source! {
    option_of_row: Option<Click>, input got {
        let s: Option<Click> = sql!("SELECT 'row' AS token, 2::bigint AS n, NULL::text AS by").await?;
    } s;
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["row!", 3, null], is {"token": "row", "n": 2, "by": null}
}

source! {
    option_of_no_row: Option<Click>, input got {
        let s: Option<Click> = sql!("SELECT 'row' AS token, 2::bigint AS n, NULL::text AS by WHERE false").await?;
    } s;
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives [null, null, null], is null
}

source! {
    option_of_signal: Option<Click>, input got {
        let s: Option<Click> = signal("click").timeout(hours(1)).await?;
    } s;
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["signal!", 8, "Cy"], is {"token": "signal", "n": 7, "by": "Cy"}
}

source! {
    option_of_late_signal: Option<Click>, input got {
        let s: Option<Click> = signal("never").timeout(millis(1)).await?;
    } s;
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives [null, null, null], is null
}

source! {
    some_of_signal: Option<Click>, input got { let s: Click = signal("click").await?; } Some(s);
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["signal!", 8, "Cy"], is {"token": "signal", "n": 7, "by": "Cy"}
}

source! {
    option_of_part: Option<Click>, input got {} input.maybe.clone();
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["maybe!", 6, "Ann"], is {"token": "maybe", "n": 5, "by": "Ann"}
}

source! {
    option_of_no_part: Option<Click>, input got {} input.nothing.clone();
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives [null, null, null], is null
}

source! {
    some_of_literal: Option<Click>, input got {} Some(Click { token: input.text.clone(), n: 1, by: None });
    "SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen"
    gives ["it's!", 2, null], is {"token": "it's", "n": 1, "by": null}
}

source! {
    number_of_row: i64, input got { let s: i64 = sql!("SELECT 41::bigint").await?; } s;
    "SELECT {got} + 1 AS seen" gives 42, is 41
}

source! {
    number_of_signal: i64, input got { let s: i64 = signal("number").await?; } s;
    "SELECT {got} + 1 AS seen" gives 42, is 41
}

source! {
    number_of_part: Option<i64>, input got {} Some(input.inner.n);
    "SELECT {got} + 1 AS seen" gives 9_007_199_254_740_994_i64, is 9_007_199_254_740_993_i64
}

source! {
    text_of_part: String, input got {} input.text.clone();
    "SELECT {got} || '!' AS seen" gives "it's!", is "it's"
}

source! {
    text_of_column: String, input got {
        let s: Row = sql!(
            "SELECT '{{}}'::jsonb AS click, '2026-01-01 00:00+00'::timestamptz AS moment, ARRAY[1, 2] AS list"
        )
        .await?;
    } s.moment;
    "SELECT extract(year FROM {got} AT TIME ZONE 'UTC')::int AS seen" gives 2026, is "2026-01-01T00:00:00+00:00"
}

source! {
    key_of_part: Key, input got {} input.key.clone();
    "SELECT {got} = '6f2c1b3e-0000-4000-8000-000000000001'::uuid AS seen"
    gives true, is "6f2c1b3e-0000-4000-8000-000000000001"
}

source! {
    key_of_signal: Key, input got { let s: Key = signal("key").await?; } s;
    "SELECT {got} = '6f2c1b3e-0000-4000-8000-000000000001'::uuid AS seen"
    gives true, is "6f2c1b3e-0000-4000-8000-000000000001"
}

source! {
    key_of_row: Key, input got {
        let s: Key = sql!("SELECT '6f2c1b3e-0000-4000-8000-000000000001'::uuid").await?;
    } s;
    "SELECT {got} = '6f2c1b3e-0000-4000-8000-000000000001'::uuid AS seen"
    gives true, is "6f2c1b3e-0000-4000-8000-000000000001"
}

source! {
    state: State, input got {} State::Closed;
    "SELECT {got} || '!' AS seen" gives "Closed!", is "Closed"
}

source! {
    reading: Reading, input got { let s: Reading = signal("reading").await?; } s;
    "SELECT {got.value}::bigint AS seen" gives 5, is {"value": 5}
}

source! {
    readings: Vec<Reading>, input got {} input.readings.clone();
    "SELECT sum(x.value) AS seen FROM jsonb_to_recordset({got}) AS x(value int)"
    gives 3, is [{"value": 1}, {"value": 2}]
}

source! {
    rows: Vec<Click>, input got {
        let s: Vec<Click> =
            sql!("SELECT 'r' || n AS token, n::bigint AS n, NULL::text AS by FROM generate_series(1, 2) n").await?;
    } s;
    "SELECT jsonb_agg(token ORDER BY n) AS seen FROM {got.*}"
    gives ["r1", "r2"], is [{"token": "r1", "n": 1, "by": null}, {"token": "r2", "n": 2, "by": null}]
}

source! {
    list_of_part: Vec<Click>, input got {} input.clicks.clone();
    "SELECT jsonb_agg(x.token ORDER BY x.n) AS seen FROM jsonb_to_recordset({got}) AS x(token text, n bigint)"
    gives ["a", "b"], is [{"token": "a", "n": 1, "by": null}, {"token": "b", "n": 2, "by": "Bo"}]
}

source! {
    list_of_signal: Vec<Click>, input got { let s: Vec<Click> = signal("clicks").await?; } s;
    "SELECT jsonb_agg(x.token ORDER BY x.n) AS seen FROM jsonb_to_recordset({got}) AS x(token text, n bigint)"
    gives ["c", "d"], is [{"token": "c", "n": 10, "by": null}, {"token": "d", "n": 20, "by": null}]
}

source! {
    numbers_of_part: Vec<i64>, input got {} input.numbers.clone();
    "SELECT 4 = ANY({got}) AS seen" gives true, is [3, 4]
}

source! {
    numbers_of_column: Vec<i64>, input got {
        let s: Row = sql!("SELECT '{{}}'::jsonb AS click, now() AS moment, ARRAY[1, 2] AS list").await?;
    } s.list;
    "SELECT 2 = ANY({got}) AS seen" gives true, is [1, 2]
}

/// Ways of one name that give different things.
mod mixed {
    use super::*;

    #[workflow(name = "structs")]
    async fn structs(input: Input) -> Result<Seen> {
        let got: Click = loop {
            if input.yes {
                break sql!("SELECT 'row' AS token, 2::bigint AS n, NULL::text AS by").await?;
            }
            if input.yes {
                let row: Click = sql!("SELECT 'row' AS token, 2::bigint AS n, NULL::text AS by").await?;
                break row;
            } else if input.yes {
                break Click { token: input.text.clone(), n: 1, by: None };
            }
            break input.inner;
        };
        sql!("SELECT jsonb_build_array({got.token} || '!', {got.n}::bigint + 1, {got.by}::text) AS seen")
            .await
    }

    #[workflow(name = "keys")]
    async fn keys(input: Input) -> Result<Seen> {
        let got: Option<Key> = race!(
            sql!("SELECT '6f2c1b3e-0000-4000-8000-000000000001'::uuid"),
            async {
                sleep(hours(1)).await?;
                Ok(Some(input.key))
            },
            async {
                sleep(hours(1)).await?;
                Ok(None)
            },
        )
        .await?;
        let Some(got) = got else { return sql!("SELECT 'nothing' AS seen").await };
        sql!("SELECT {got} = '6f2c1b3e-0000-4000-8000-000000000001'::uuid AS seen").await
    }

    #[workflow(name = "asked")]
    async fn asked(input: Input) -> Result<Seen> {
        let (there, not_there): (Option<Click>, Option<Click>) = join!(
            async {
                let s: Click = signal("click").await?;
                Ok(Some(s))
            },
            async { Ok(input.nothing) },
        )
        .await?;
        if let Some(not_there) = not_there {
            sql!("SELECT 1 / (random() * 0)::int, {not_there.n}").await?;
        }
        if let Some(there) = there {
            return sql!("SELECT {there.token} || '!' AS seen").await;
        }
        sql!("SELECT 'nothing' AS seen").await
    }

    pub(super) fn cells() -> Vec<Cell> {
        let seen = |seen: Value| json!({"seen": seen});
        vec![
            cell(("mixed", "structs"), structs, &seen(json!(["row!", 3, null]))),
            cell(("mixed", "keys"), keys, &seen(json!(true))),
            cell(("mixed", "asked"), asked, &seen(json!("signal!"))),
        ]
    }
}

/// All of them.
pub fn cells() -> Vec<Cell> {
    macro_rules! all {
        ($($source:ident)+) => { [$($source::cells()),+].into_iter().flatten().collect() };
    }
    all! {
        row signal part literal column
        option_of_row option_of_no_row option_of_signal option_of_late_signal some_of_signal option_of_part
        option_of_no_part some_of_literal
        number_of_row number_of_signal number_of_part text_of_part text_of_column
        key_of_part key_of_signal key_of_row state reading readings
        rows list_of_part list_of_signal numbers_of_part numbers_of_column
        mixed
    }
}
