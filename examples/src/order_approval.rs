//! An order holds its goods and waits for somebody to approve it. Without an answer within a day the goods go back.

use anyhow::Result;
use pg_durable_sdk::{JsonSchema, workflow};
use serde::{Deserialize, Serialize};

/// The shop's tables.
pub const TABLES: &str = "
CREATE SCHEMA IF NOT EXISTS shop;
CREATE TABLE IF NOT EXISTS shop.stock (
    sku text PRIMARY KEY, on_hand int NOT NULL, held int NOT NULL DEFAULT 0, CHECK (held BETWEEN 0 AND on_hand));
CREATE TABLE IF NOT EXISTS shop.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku text NOT NULL REFERENCES shop.stock,
    qty int NOT NULL CHECK (qty > 0),
    state text NOT NULL DEFAULT 'new');
INSERT INTO shop.stock VALUES ('bicycle', 10) ON CONFLICT DO NOTHING;
";

/// What is ordered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// The row in `shop.orders`.
    pub id: i64,
    /// The article.
    pub sku: String,
    /// How many of it.
    #[schemars(range(min = 1))]
    pub qty: i32,
}

/// The answer, as the signal `approval` brings it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Approval {
    /// Whether the order may ship.
    pub approved: bool,
    /// Who says so.
    pub by: String,
}

/// What became of the order.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// `shipped`, `declined`, `expired` or `out of stock`.
    pub state: String,
    /// Who decided, where somebody did.
    pub decided_by: Option<String>,
}

/// Holds the goods, waits for the approval, and ships the order or gives the goods back.
#[workflow(name = "order.fulfil", version = 1)]
pub async fn fulfil(order: Order) -> Result<Receipt> {
    let held: Option<i32> = sql!(
        "UPDATE shop.stock SET held = held + {order.qty}
         WHERE sku = {order.sku} AND on_hand - held >= {order.qty} RETURNING held"
    )
    .await?;
    let Some(_) = held else {
        let state: String =
            sql!("UPDATE shop.orders SET state = 'out of stock' WHERE id = {order.id} RETURNING state")
                .await?;
        return Ok(Receipt { state, decided_by: None });
    };

    let approval: Option<Approval> = signal("approval").timeout(hours(24)).await?;
    let Some(approval) = approval else {
        let state: String = sql!(
            "UPDATE shop.stock SET held = held - {order.qty} WHERE sku = {order.sku};
             UPDATE shop.orders SET state = 'expired' WHERE id = {order.id} RETURNING state"
        )
        .await?;
        return Ok(Receipt { state, decided_by: None });
    };

    let state: String = if approval.approved {
        sql!(
            "UPDATE shop.stock SET on_hand = on_hand - {order.qty}, held = held - {order.qty} WHERE sku = {order.sku};
             UPDATE shop.orders SET state = 'shipped' WHERE id = {order.id} RETURNING state"
        )
        .await?
    } else {
        sql!(
            "UPDATE shop.stock SET held = held - {order.qty} WHERE sku = {order.sku};
             UPDATE shop.orders SET state = 'declined' WHERE id = {order.id} RETURNING state"
        )
        .await?
    };
    Ok(Receipt { state, decided_by: Some(approval.by) })
}

/// Makes the tables and some stock.
pub async fn set_up(session: &tokio_postgres::Client) -> Result<()> {
    Ok(session.batch_execute(TABLES).await?)
}

/// Writes a new order.
pub async fn place(session: &tokio_postgres::Client, sku: &str, qty: i32) -> Result<Order> {
    let insert = "INSERT INTO shop.orders (sku, qty) VALUES ($1, $2) RETURNING id";
    let id = session.query_one(insert, &[&sku, &qty]).await?.get(0);
    Ok(Order { id, sku: sku.to_owned(), qty })
}
