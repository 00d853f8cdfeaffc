//! Each construct of `#[workflow]` beside what the builder would say: both make one graph.
//!
//! The unit tests compare the graphs and keep them as snapshots; the integration tests run both.

mod failure;

use pg_durable_sdk::{Define, JsonSchema, Workflow, on, schedule, signal, sql, workflow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Order {
    pub id: i64,
    pub sku: String,
    pub qty: i32,
    pub express: bool,
    pub note: Option<String>,
    pub customer: Customer,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Customer {
    pub name: String,
    pub city: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    pub id: i64,
    pub sku: String,
    pub note: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    pub approved: bool,
    pub by: Option<String>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    pub id: i64,
    pub text: Option<String>,
}

/// A construct, twice.
pub struct Construct {
    pub name: &'static str,
    pub by_macro: Workflow,
    pub by_builder: Workflow,
    /// What it is started with, the signals that are sent right away, and what it leaves.
    pub input: Value,
    pub signals: Vec<(&'static str, Value)>,
    pub result: Value,
    /// Where it fails instead: the SQLSTATE, message, detail and hint.
    pub failure: Option<[Option<&'static str>; 4]>,
}

fn construct<D: Define>(name: &'static str, by_macro: D, by_builder: Workflow<impl Sized>) -> Construct {
    let order = json!({
        "id": 7, "sku": "A-1", "qty": 2, "express": true, "note": null,
        "customer": {"name": "O'Neil", "city": null},
    });
    Construct {
        name,
        by_macro: by_macro.define().workflow().clone().returns(),
        by_builder: by_builder.returns(),
        input: order,
        signals: Vec::new(),
        result: Value::Null,
        failure: None,
    }
}

impl Construct {
    fn signal(mut self, name: &'static str, payload: Value) -> Self {
        self.signals.push((name, payload));
        self
    }

    /// What both leave.
    fn gives(self, result: Value) -> Self {
        Self { result, ..self }
    }

    /// How both fail.
    fn fails(self, failure: [Option<&'static str>; 4]) -> Self {
        Self { failure: Some(failure), ..self }
    }
}

fn new() -> Workflow {
    Workflow::new()
}

/// What stands for nothing: the way of an `if` without `else`.
fn nothing() -> Workflow {
    new().sleep(Duration::ZERO)
}

#[workflow(name = "let", version = 1)]
async fn let_step(order: Order) -> Result<Receipt> {
    let hold: Hold =
        sql!("SELECT {order.id} + 1 AS id, {order.sku}::text AS sku, NULL::text AS note").await?;
    let count: i64 = sql!("SELECT count(*) FROM pg_catalog.generate_series(1, {hold.id}::int)").await?;
    sql!("SELECT {count} + {order.qty}").await?;
    let last = sql!("SELECT {hold.note}::text AS text, {count} + 1 AS id").returns::<Receipt>().await?;
    Ok(last)
}

fn let_step_built() -> Workflow {
    new()
        .step(sql("SELECT $input.id + 1 AS id, $input.sku::text AS sku, NULL::text AS note").named("hold"))
        .step(sql("SELECT count(*) FROM pg_catalog.generate_series(1, $hold.id::int)").named("count"))
        .step(sql("SELECT $count + $input.qty"))
        .step(sql("SELECT $hold.note?::text AS text, $count + 1 AS id").named("last"))
}

#[workflow(name = "shadowing", version = 1)]
async fn shadowing(order: Order) -> Result<i64> {
    let n: i64 = sql!("SELECT {order.id} + 1").await?;
    let n: i64 = sql!("SELECT {n} * 10").await?;
    if sql!("SELECT true").await? {
        let n: i64 = sql!("SELECT {n} + 1000").await?;
        sql!("SELECT {n}").await?;
    }
    let input: i64 = sql!("SELECT {n} + 1").await?;
    Ok(input)
}

fn shadowing_built() -> Workflow {
    new()
        .step(sql("SELECT $input.id + 1").named("n"))
        .step(sql("SELECT $n * 10").named("n_2"))
        .branch(
            sql("SELECT true"),
            new().step(sql("SELECT $n_2 + 1000").named("n_3")).step(sql("SELECT $n_3")),
            nothing(),
        )
        .step(sql("SELECT $n_2 + 1").named("input_2"))
}

#[workflow(name = "values", version = 1)]
async fn values(order: Order) -> Result<Nested> {
    let hold: Hold = sql!("SELECT 3::bigint AS id, 'x' AS sku, NULL::text AS note").await?;
    sql!("SELECT 1").await?;
    Ok(Nested {
        hold: hold.id,
        order: order.id,
        limit: LIMIT,
        state: State::Open,
        text: "it's".to_owned(),
        none: None,
        city: order.customer.city,
        customer: Customer { name: order.customer.name, city: hold.note },
        pair: (order.qty, true),
    })
}

const LIMIT: i64 = 100;

#[derive(Serialize, Deserialize, JsonSchema)]
pub enum State {
    Open,
    Closed,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Nested {
    hold: i64,
    order: i64,
    limit: i64,
    state: State,
    text: String,
    none: Option<i64>,
    city: Option<String>,
    customer: Customer,
    pair: (i32, bool),
}

fn values_built() -> Workflow {
    new()
        .step(sql("SELECT 3::bigint AS id, 'x' AS sku, NULL::text AS note").named("hold"))
        .step(sql("SELECT 1"))
        .step(pg_durable_sdk::sql!(
            "SELECT $hold.id AS hold, $input.id::bigint AS order, {LIMIT}::bigint AS limit, {State::Open}::jsonb AS state, \
             'it''s' AS text, NULL AS none, $input.customer.city?::text AS city, \
             pg_catalog.jsonb_build_object('name', $input.customer.name::text, 'city', $hold.note?) AS customer, \
             pg_catalog.jsonb_build_array($input.qty::bigint, true) AS pair"
        ))
}

#[workflow(name = "if", version = 1)]
async fn if_else(order: Order) -> Result<String> {
    let hold: Flag = sql!("SELECT false AS up").await?;
    if sql!("SELECT {order.qty} > 5").await? {
        sql!("SELECT 'many'").await?;
    } else if order.express {
        sql!("SELECT 'fast'").await?;
    }
    if !hold.up {
        sql!("SELECT 'down'").await?;
    }
    let state: String =
        if !sql!("SELECT {order.qty} > 5").await? { order.sku } else { sql!("SELECT 'none'").await? };
    Ok(state)
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Flag {
    up: bool,
}

fn if_else_built() -> Workflow {
    new()
        .step(sql("SELECT false AS up").named("hold"))
        .branch(
            sql("SELECT $input.qty > 5"),
            sql("SELECT 'many'"),
            new().when(sql("SELECT $input.express::boolean"), sql("SELECT 'fast'")),
        )
        .branch(sql("SELECT $hold.up"), nothing(), sql("SELECT 'down'"))
        .branch(
            sql("SELECT $input.qty > 5"),
            sql("SELECT 'none'").named("state"),
            sql("SELECT $input.sku::text AS value").named("state"),
        )
        .step(sql("SELECT $state AS value"))
}

#[workflow(name = "if let", version = 1)]
async fn if_let(order: Order) -> Result<String> {
    let found: Option<Hold> =
        sql!("SELECT 1::bigint AS id, 'x' AS sku, NULL::text AS note WHERE false").await?;
    let most: Option<i64> = sql!("SELECT max(n) FROM (VALUES (1::bigint), (2)) v(n)").await?;
    if let Some(hold) = found {
        sql!("SELECT {hold.id}, {hold.note}::text").await?;
    }
    if let Some(city) = &order.customer.city {
        sql!("SELECT {city}::text").await?;
    } else if let Some(next) = sql!("SELECT 5::bigint").returns::<Option<i64>>().await? {
        sql!("SELECT {next} + 1").await?;
    }
    let Some(most) = most else {
        return Ok("none".into());
    };
    let text: String = sql!("SELECT 'most ' || {most}").await?;
    Ok(text)
}

fn if_let_built() -> Workflow {
    new()
        .step(sql("SELECT 1::bigint AS id, 'x' AS sku, NULL::text AS note WHERE false").named("found"))
        .step(sql("SELECT max(n) FROM (VALUES (1::bigint), (2)) v(n)").named("most"))
        .branch_on_rows("found", sql("SELECT $found.id, $found.note?::text"), nothing())
        .branch(
            sql("SELECT $input.customer.city?::text IS NOT NULL"),
            sql("SELECT $input.customer.city::text"),
            new().step(sql("SELECT 5::bigint").named("next")).branch(
                sql("SELECT $next? IS NOT NULL"),
                sql("SELECT $next + 1"),
                nothing(),
            ),
        )
        .branch(
            sql("SELECT $most? IS NOT NULL"),
            sql("SELECT 'most ' || $most").named("text"),
            sql("SELECT 'none' AS value"),
        )
}

#[workflow(name = "return", version = 1)]
async fn returns(order: Order) -> Result<i64> {
    if sql!("SELECT {order.qty} > 5").await? {
        return Ok(1);
    }
    sql!("SELECT 'on'").await?;
    if order.express {
        sql!("SELECT 'fast'").await?;
    } else {
        return sql!("SELECT 2").await;
    }
    Ok(3)
}

fn returns_built() -> Workflow {
    new().branch(
        sql("SELECT $input.qty > 5"),
        sql("SELECT 1 AS value"),
        new().step(sql("SELECT 'on'")).branch(
            sql("SELECT $input.express::boolean"),
            new().step(sql("SELECT 'fast'")).step(sql("SELECT 3 AS value")),
            sql("SELECT 2"),
        ),
    )
}

#[workflow(name = "while", version = 1)]
async fn while_loop() -> Result<i64> {
    sql!("CREATE TABLE queue (n) AS VALUES (1::bigint), (2), (3)").await?;
    sql!("CREATE TABLE seen (n bigint)").await?;
    while sql!("SELECT count(*) > 2 FROM queue").await? {
        sql!("DELETE FROM queue WHERE n = (SELECT min(n) FROM queue)").await?;
    }
    while let Some(next) = sql!("DELETE FROM queue WHERE n = (SELECT min(n) FROM queue) RETURNING n")
        .returns::<Option<i64>>()
        .await?
    {
        if sql!("SELECT {next} = 2").await? {
            continue;
        }
        sql!("INSERT INTO seen VALUES ({next})").await?;
    }
    let sum: i64 = sql!("SELECT sum(n)::bigint FROM seen").await?;
    sql!("DROP TABLE queue, seen").await?;
    Ok(sum)
}

fn while_loop_built() -> Workflow {
    new()
        .step(sql("CREATE TABLE queue (n) AS VALUES (1::bigint), (2), (3)"))
        .step(sql("CREATE TABLE seen (n bigint)"))
        .repeat(new().branch(
            sql("SELECT count(*) > 2 FROM queue"),
            sql("DELETE FROM queue WHERE n = (SELECT min(n) FROM queue)"),
            new().break_loop(),
        ))
        .repeat(
            new()
                .step(sql("DELETE FROM queue WHERE n = (SELECT min(n) FROM queue) RETURNING n").named("next"))
                .branch(
                    sql("SELECT $next? IS NOT NULL"),
                    new().branch(sql("SELECT $next = 2"), nothing(), sql("INSERT INTO seen VALUES ($next)")),
                    new().break_loop(),
                ),
        )
        .step(sql("SELECT sum(n)::bigint FROM seen").named("sum"))
        .step(sql("DROP TABLE queue, seen"))
        .step(sql("SELECT $sum AS value"))
}

#[workflow(name = "loop", version = 1)]
async fn loop_value() -> Result<Receipt> {
    sql!("CREATE SEQUENCE turns").await?;
    let found: Receipt = loop {
        let turn: i64 = sql!("SELECT nextval('turns')").await?;
        if sql!("SELECT {turn} >= 3").await? {
            break Receipt { id: turn, text: Some("turns".to_string()) };
        }
    };
    let n: i64 = loop {
        break sql!("SELECT {found.id} * 2").await?;
    };
    sql!("DROP SEQUENCE turns").await?;
    Ok(Receipt { id: n, text: found.text })
}

fn loop_value_built() -> Workflow {
    new()
        .step(sql("CREATE SEQUENCE turns"))
        .repeat(new().step(sql("SELECT nextval('turns')").named("turn")).branch(
            sql("SELECT $turn >= 3"),
            new().step(sql("SELECT $turn AS id, 'turns' AS text").named("found")).break_loop(),
            nothing(),
        ))
        .repeat(new().step(sql("SELECT $found.id * 2").named("n")).break_loop())
        .step(sql("DROP SEQUENCE turns"))
        .step(sql("SELECT $n AS id, $found.text? AS text"))
}

#[workflow(name = "join", version = 1)]
async fn join(order: Order) -> Result<i64> {
    let (hold, n, _, _unused): (Hold, i64, _, _) = join!(
        sql!("SELECT 1::bigint AS id, {order.sku}::text AS sku, NULL::text AS note"),
        async {
            let n: i64 = sql!("SELECT 40::bigint").await?;
            sql!("SELECT {n}").await?;
            Ok(n)
        },
        sleep(millis(1)),
        sql!("SELECT 0").returns::<i64>(),
    )
    .await?;
    join!(sql!("SELECT 1"), sql!("SELECT 2")).await?;
    sql!("SELECT {hold.id} + {n} + 1").await
}

fn join_built() -> Workflow {
    new()
        .fan_out((
            sql("SELECT 1::bigint AS id, $input.sku::text AS sku, NULL::text AS note").named("hold"),
            new()
                .step(sql("SELECT 40::bigint").named("n_2"))
                .step(sql("SELECT $n_2"))
                .step(sql("SELECT $n_2 AS value").named("n")),
            new().sleep(Duration::from_millis(1)),
            sql("SELECT 0"),
        ))
        .fan_out([sql("SELECT 1"), sql("SELECT 2")])
        .step(sql("SELECT $hold.id + $n + 1"))
}

#[workflow(name = "race", version = 1)]
async fn race() -> Result<Receipt> {
    race!(sleep(millis(1)), signal("never")).await?;
    let first: Option<Receipt> = race!(
        async {
            sleep(hours(1)).await?;
            Ok(None)
        },
        async {
            let answer: Approval = signal("answer").await?;
            Ok(Some(Receipt { id: 5, text: answer.by }))
        },
    )
    .await?;
    if let Some(receipt) = first {
        return Ok(Receipt { id: receipt.id, text: receipt.text });
    }
    Ok(Receipt { id: 0, text: None })
}

fn race_built() -> Workflow {
    new()
        .race((new().sleep(Duration::from_millis(1)), signal("never")))
        .step(
            new()
                .race((
                    new().sleep(Duration::from_secs(3600)).step(sql("SELECT NULL AS value WHERE false")),
                    new()
                        .wait_for_signal(signal("answer").named("answer"))
                        .step(sql("SELECT 5 AS id, $answer.data.by?::text AS text")),
                ))
                .named("first"),
        )
        .branch_on_rows(
            "first",
            sql("SELECT $first.id AS id, $first.text? AS text"),
            sql("SELECT 0 AS id, NULL AS text"),
        )
}

#[workflow(name = "waits from values", version = 1)]
async fn waits_by_value(order: Order) -> Result<bool> {
    let due: Due = sql!("SELECT now()::text AS text, 0.001 AS seconds, '1 millisecond' AS wait").await?;
    sleep({ due.seconds }).await?;
    sleep({ due.wait }).await?;
    sleep_until({ due.text }).await?;
    let seconds: f64 = sql!("SELECT 0.002::float8").await?;
    sleep({ seconds }).await?;
    let never: Option<Approval> = signal("never").timeout({ due.wait }).await?;
    if let Some(never) = never {
        return Ok(never.approved);
    }
    select! {
        _ = signal("never") => Ok(false),
        _ = sleep_until({ due.text }) => sql!("SELECT {order.qty} = 2").await,
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Due {
    text: String,
    seconds: f64,
    wait: String,
}

fn waits_by_value_built() -> Workflow {
    new()
        .step(sql("SELECT now()::text AS text, 0.001 AS seconds, '1 millisecond' AS wait").named("due"))
        .sleep_for("$due.seconds")
        .sleep_for("$due.wait")
        .sleep_until("$due.text")
        .step(sql("SELECT 0.002::float8").named("seconds"))
        .sleep_for("$seconds")
        .wait_for_signal(signal("never").timeout_for("$due.wait").named("never"))
        .branch(
            sql("SELECT NOT $never.timed_out"),
            sql("SELECT $never.data.approved::boolean AS value"),
            new().select([
                on(signal("never"), sql("SELECT false AS value")),
                on(new().sleep_until("$due.text"), sql("SELECT $input.qty = 2")),
            ]),
        )
}

#[workflow(name = "select", version = 1)]
async fn select(order: Order) -> Result<String> {
    let outcome: String = select! {
        approval: Approval = signal("answer") => {
            sql!("SELECT {approval.approved}::boolean, {order.qty}").await?;
            sql!("SELECT 'by ' || {approval.by}").await?
        }
        late: Option<Approval> = signal("late").timeout(hours(2)) => {
            if let Some(late) = late { sql!("SELECT 'for ' || {late.by}").await? } else { sql!("SELECT 'late'").await? }
        }
        _ = schedule("0 9 * * *") => sql!("SELECT 'morning'").await?,
        _ = sleep(hours(24)) => { "day".to_owned() }
    };
    Ok(outcome)
}

fn select_built() -> Workflow {
    new()
        .select([
            on(
                signal("answer"),
                new()
                    .step(sql("SELECT $selected.result.data.approved::boolean, $input.qty"))
                    .step(sql("SELECT 'by ' || $selected.result.data.by?").named("outcome")),
            ),
            on(
                signal("late").timeout(Duration::from_secs(7200)),
                new().branch(
                    sql("SELECT NOT $selected.result.timed_out"),
                    sql("SELECT 'for ' || $selected.result.data.by?").named("outcome"),
                    sql("SELECT 'late'").named("outcome"),
                ),
            ),
            on(schedule("0 9 * * *"), sql("SELECT 'morning'").named("outcome")),
            on(new().sleep(Duration::from_secs(86400)), sql("SELECT 'day' AS value").named("outcome")),
        ])
        .step(sql("SELECT $outcome AS value"))
}

#[workflow(name = "select in a loop", version = 1)]
async fn select_loop() -> Result<Option<String>> {
    let last: Option<String> = loop {
        select! {
            number = signal::<i64>("number") => { sql!("SELECT {number}").await?; }
            end = signal::<Approval>("end") => {
                if end.approved {
                    break end.by;
                }
            }
        }
    };
    Ok(last)
}

fn select_loop_built() -> Workflow {
    let leave = new().step(sql("SELECT $selected.result.data.by?::text AS value").named("last")).break_loop();
    let end = new().when(sql("SELECT $selected.result.data.approved::boolean"), leave);
    new()
        .repeat(
            new().select([on(signal("number"), sql("SELECT $selected.result.data")), on(signal("end"), end)]),
        )
        .step(sql("SELECT $last? AS value"))
}

#[workflow(name = "select that returns", version = 1)]
async fn select_returns(order: Order) -> Result<Receipt> {
    select! {
        id = signal::<i64>("id") => return Ok(Receipt { id, text: None }),
        _ = signal("go") => {}
        _never = sleep(days(1)) => { return Ok(Receipt { id: 1, text: None }); }
    }
    sql!("SELECT 1").await?;
    Ok(Receipt { id: order.id, text: order.note })
}

fn select_returns_built() -> Workflow {
    new().select([
        on(signal("id"), sql("SELECT $selected.result.data::bigint AS id, NULL AS text")),
        on(
            signal("go"),
            new()
                .step(sql("SELECT 1"))
                .step(sql("SELECT $input.id::bigint AS id, $input.note?::text AS text")),
        ),
        on(new().sleep(Duration::from_secs(86400)), sql("SELECT 1 AS id, NULL AS text")),
    ])
}

#[workflow(name = "select at the end", version = 1)]
async fn select_last(order: Order) -> Result<Receipt> {
    select! {
        answer = signal("answer").returns::<Approval>() => {
            sql!("SELECT {answer.approved}").await?;
            Ok(Receipt { id: order.id, text: answer.by })
        }
        _ = sleep(millis(1) + millis(2)) => sql!("SELECT 2::bigint AS id, 'slept' AS text").await,
    }
}

fn select_last_built() -> Workflow {
    new().select([
        on(
            signal("answer"),
            new()
                .step(sql("SELECT $selected.result.data.approved"))
                .step(sql("SELECT $input.id::bigint AS id, $selected.result.data.by?::text AS text")),
        ),
        on(new().sleep(Duration::from_millis(3)), sql("SELECT 2::bigint AS id, 'slept' AS text")),
    ])
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    Yes,
    No,
}

#[workflow(name = "select of a plain value", version = 1)]
async fn select_plain() -> Result<Answer> {
    select! {
        answer = signal::<Answer>("answer") => Ok(answer),
        _ = sleep(hours(1)) => sql!("SELECT 'no'").await,
    }
}

fn select_plain_built() -> Workflow {
    new().select([
        on(signal("answer"), sql("SELECT $selected.result.data::jsonb AS value")),
        on(new().sleep(Duration::from_secs(3600)), sql("SELECT 'no'")),
    ])
}

#[workflow(name = "signal", version = 1)]
async fn signals() -> Result<Receipt> {
    let approval: Option<Approval> = signal("approval").timeout(minutes(90) + seconds(30)).await?;
    let late: Option<Approval> = signal("late").timeout(millis(1)).await?;
    sql!("SELECT {approval.approved}::boolean, {late.approved}::boolean").await?;
    if let Some(late) = late {
        return Ok(Receipt { id: 1, text: late.by });
    }
    let number: i64 = signal("number").await?;
    if let Some(answer) = signal("late").timeout(LIMIT_OF_WAIT).returns::<Approval>().await? {
        sql!("SELECT {answer.by}::text").await?;
    }
    if let Some(approval) = approval {
        Ok(Receipt { id: number, text: approval.by })
    } else {
        Ok(Receipt { id: 2, text: None })
    }
}

const LIMIT_OF_WAIT: Duration = Duration::from_millis(2);

fn signals_built() -> Workflow {
    new()
        .wait_for_signal(signal("approval").timeout(Duration::from_secs(5430)).named("approval"))
        .wait_for_signal(signal("late").timeout(Duration::from_millis(1)).named("late"))
        .step(sql("SELECT $approval.data.approved?::boolean, $late.data.approved?::boolean"))
        .branch(
            sql("SELECT NOT $late.timed_out"),
            sql("SELECT 1 AS id, $late.data.by?::text AS text"),
            new()
                .wait_for_signal(signal("number").named("number"))
                .wait_for_signal(signal("late").timeout(LIMIT_OF_WAIT).named("answer"))
                .branch(sql("SELECT NOT $answer.timed_out"), sql("SELECT $answer.data.by?::text"), nothing())
                .branch(
                    sql("SELECT NOT $approval.timed_out"),
                    sql("SELECT $number.data::bigint AS id, $approval.data.by?::text AS text"),
                    sql("SELECT 2 AS id, NULL AS text"),
                ),
        )
}

#[workflow(name = "wait", version = 1)]
async fn waits() -> Result<()> {
    sleep(millis(1)).await?;
    race!(schedule("0 9 * * 1-5"), schedule("@daily").in_time_zone("Europe/Berlin"), sleep(millis(1)))
        .await?;
    Ok(())
}

fn waits_built() -> Workflow {
    new().sleep(Duration::from_millis(1)).race((
        schedule("0 9 * * 1-5"),
        schedule("@daily").in_time_zone("Europe/Berlin"),
        new().sleep(Duration::from_millis(1)),
    ))
}

#[workflow(name = "rows", version = 1)]
async fn rows() -> Result<Vec<Hold>> {
    let all: Vec<Hold> =
        sql!("SELECT n::bigint AS id, 'x' AS sku, NULL::text AS note FROM generate_series(1, 3) n").await?;
    let one: Hold = sql!("SELECT * FROM {all.*} WHERE id = 2").await?;
    sql!("SELECT id FROM {all.*} WHERE id > {one.id} AND id < {LIMIT}").await?;
    sql!("SELECT json_agg(r) FROM (SELECT * FROM {all.*}) r").await?;
    Ok(all)
}

fn rows_built() -> Workflow {
    new()
        .step(
            sql("SELECT n::bigint AS id, 'x' AS sku, NULL::text AS note FROM generate_series(1, 3) n")
                .named("all"),
        )
        .step(sql("SELECT * FROM $all.* WHERE id = 2").named("one"))
        .step(pg_durable_sdk::sql!("SELECT id FROM $all.* WHERE id > $one.id AND id < {LIMIT}"))
        .step(sql("SELECT json_agg(r) FROM (SELECT * FROM $all.*) r"))
        .step(sql("SELECT * FROM $all.*"))
}

#[workflow(name = "input", version = 1)]
async fn input(text: Option<String>) -> Result<Option<String>> {
    sql!("SELECT {text}").await?;
    if let Some(text) = text {
        let longer: String = sql!("SELECT 'it is ' || {text}").await?;
        return Ok(Some(longer));
    }
    Ok(None)
}

fn input_built() -> Workflow {
    new().step(sql("SELECT ($input?::jsonb #>> '{}')::text")).branch(
        sql("SELECT $input?::text IS NOT NULL"),
        new()
            .step(sql("SELECT 'it is ' || ($input::jsonb #>> '{}')::text").named("longer"))
            .step(sql("SELECT $longer AS value")),
        sql("SELECT NULL AS value WHERE false"),
    )
}

#[workflow(name = "run", version = 1)]
async fn own_id(order: Order) -> Result<Told> {
    let told: bool =
        sql!("SELECT EXISTS (SELECT FROM df.instances WHERE id = {run.id} AND {order.qty} = 2)").await?;
    let run: Told = sql!("SELECT {run.id} ~ '^[0-9a-f]+$' AS id, false AS told").await?;
    Ok(Told { id: run.id, told })
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Told {
    id: bool,
    told: bool,
}

fn own_id_built() -> Workflow {
    use pg_durable_sdk::run;
    new()
        .step(
            pg_durable_sdk::sql!(
                "SELECT EXISTS (SELECT FROM df.instances WHERE id = {run.id} AND $input.qty = 2)"
            )
            .named("told"),
        )
        .step(sql("SELECT '{sys_instance_id}'::text ~ '^[0-9a-f]+$' AS id, false AS told").named("run"))
        .step(sql("SELECT $run.id AS id, $told AS told"))
}

#[workflow(name = "input list", version = 1)]
async fn input_list(ids: Vec<i64>) -> Result<Vec<i64>> {
    let all: i64 = sql!("SELECT count(*) FROM unnest({ids}) i").await?;
    if sql!("SELECT 2 = ANY({ids}) AND {all} = 2").await? {
        return Ok(ids);
    }
    sql!("SELECT 0").await
}

fn input_list_built() -> Workflow {
    const IDS: &str =
        "ARRAY(SELECT e.value::bigint FROM pg_catalog.jsonb_array_elements_text($input::jsonb) AS e(value))";
    let values = format!(
        "SELECT e.value FROM pg_catalog.jsonb_array_elements(pg_catalog.to_jsonb({IDS})) AS e(value)"
    );
    new().step(sql(format!("SELECT count(*) FROM unnest({IDS}) i")).named("all")).branch(
        sql(format!("SELECT 2 = ANY({IDS}) AND $all = 2")),
        sql(values),
        sql("SELECT 0"),
    )
}

#[workflow(name = "signal list", version = 1)]
async fn signal_list() -> Result<Listed> {
    let ids: Vec<i64> = signal("ids").await?;
    let late: Option<Vec<String>> = signal("late").timeout(millis(1)).await?;
    sql!("SELECT 2 = ANY({ids}) AS found, {late} IS NULL AS late").await
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Listed {
    found: bool,
    late: bool,
}

fn signal_list_built() -> Workflow {
    new()
        .wait_for_signal(signal("ids").named("ids"))
        .wait_for_signal(signal("late").timeout(Duration::from_millis(1)).named("late"))
        .step(sql(
            "SELECT 2 = ANY(ARRAY(SELECT e.value::bigint FROM pg_catalog.jsonb_array_elements_text($ids.data::jsonb) AS e(value))) \
             AS found, CASE WHEN $late.data?::jsonb IS NOT NULL THEN ARRAY(SELECT e.value::text FROM \
             pg_catalog.jsonb_array_elements_text($late.data?::jsonb) AS e(value)) END IS NULL AS late",
        ))
}

#[workflow(name = "input structs", version = 1)]
async fn input_structs(holds: Option<Vec<Hold>>) -> Result<Option<Vec<Hold>>> {
    sql!("SELECT 1 FROM jsonb_to_recordset({holds}) AS x(id bigint, sku text)").await?;
    Ok(holds)
}

fn input_structs_built() -> Workflow {
    new().step(sql("SELECT 1 FROM jsonb_to_recordset($input?::jsonb) AS x(id bigint, sku text)")).step(sql(
        "SELECT e.value FROM pg_catalog.jsonb_array_elements(pg_catalog.to_jsonb($input?::jsonb)) AS e(value)",
    ))
}

/// All of them.
pub fn constructs() -> Vec<Construct> {
    let approval = json!({"approved": true, "by": "Ann"});
    vec![
        construct("let", let_step, let_step_built()).gives(json!([{"text": null, "id": 9}])),
        construct("shadowing", shadowing, shadowing_built()).gives(json!([{"?column?": 81}])),
        construct("values", values, values_built()).gives(json!([{
            "hold": 3, "order": 7, "limit": 100, "state": "Open", "text": "it's", "none": null, "city": null,
            "customer": {"name": "O'Neil", "city": null}, "pair": [2, true],
        }])),
        construct("if", if_else, if_else_built()).gives(json!([{"value": "A-1"}])),
        construct("if_let", if_let, if_let_built()).gives(json!([{"?column?": "most 2"}])),
        construct("return", returns, returns_built()).gives(json!([{"value": 3}])),
        construct("while", while_loop, while_loop_built()).gives(json!([{"value": 3}])),
        construct("loop", loop_value, loop_value_built()).gives(json!([{"id": 6, "text": "turns"}])),
        construct("join", join, join_built()).gives(json!([{"?column?": 42}])),
        construct("race", race, race_built())
            .signal("answer", approval.clone())
            .gives(json!([{"id": 5, "text": "Ann"}])),
        construct("waits_by_value", waits_by_value, waits_by_value_built())
            .gives(json!([{"?column?": true}])),
        construct("select", select, select_built())
            .signal("late", approval.clone())
            .signal("answer", approval.clone())
            .gives(json!([{"value": "for Ann"}])),
        construct("select_loop", select_loop, select_loop_built())
            .signal("number", json!(1))
            .signal("end", json!({"approved": false, "by": null}))
            .signal("number", json!(2))
            .signal("end", approval.clone())
            .gives(json!([{"value": "Ann"}])),
        construct("select_returns", select_returns, select_returns_built())
            .signal("go", json!(null))
            .signal("id", json!(9))
            .gives(json!([{"id": 7, "text": null}])),
        construct("select_last", select_last, select_last_built()).gives(json!([{"id": 2, "text": "slept"}])),
        construct("select_plain", select_plain, select_plain_built())
            .signal("answer", json!("yes"))
            .gives(json!([{"value": "yes"}])),
        construct("signal", signals, signals_built())
            .signal("approval", approval)
            .signal("number", json!(77))
            .gives(json!([{"id": 77, "text": "Ann"}])),
        construct("wait", waits, waits_built()),
        Construct { input: json!("it's"), ..construct("input", input, input_built()) }
            .gives(json!([{"value": "it is it's"}])),
        construct("run", own_id, own_id_built()).gives(json!([{"id": true, "told": true}])),
        Construct { input: json!([1, 2]), ..construct("input_list", input_list, input_list_built()) }
            .gives(json!([{"value": 1}, {"value": 2}])),
        construct("signal_list", signal_list, signal_list_built())
            .signal("ids", json!([1, 2]))
            .gives(json!([{"found": true, "late": true}])),
        Construct {
            input: json!([{"id": 1, "sku": "x", "note": null}]),
            ..construct("input_structs", input_structs, input_structs_built())
        }
        .gives(json!([{"value": {"id": 1, "sku": "x", "note": null}}])),
        construct("rows", rows, rows_built())
            .gives((1..=3).map(|id| json!({"id": id, "sku": "x", "note": null})).collect()),
    ]
    .into_iter()
    .chain(failure::constructs())
    .collect()
}
