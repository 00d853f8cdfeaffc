//! The shop: its tables, and the workflow of an order.

use std::time::Duration;

use pg_durable_sdk::{Workflow, signal, sql};

/// What a superuser does once.
pub const SET_UP: &str = "
CREATE EXTENSION pg_durable;
CREATE ROLE shop LOGIN;
SELECT df.grant_usage('shop');
GRANT CREATE ON SCHEMA public TO shop;
";

/// What the shop's own role does.
pub const LOAD: &str = "
CREATE TABLE stock (sku text PRIMARY KEY, on_hand int NOT NULL, held int NOT NULL DEFAULT 0);
CREATE TABLE orders (id int PRIMARY KEY, sku text NOT NULL, qty int NOT NULL, amount numeric NOT NULL, state text NOT NULL);
CREATE TABLE invoices (id int GENERATED ALWAYS AS IDENTITY, order_id int NOT NULL, amount numeric NOT NULL);
CREATE TABLE labels (id int GENERATED ALWAYS AS IDENTITY, order_id int NOT NULL);
CREATE TABLE effects (step text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), role text NOT NULL DEFAULT current_user);
INSERT INTO stock VALUES ('bicycle', 10);
INSERT INTO orders VALUES (7, 'bicycle', 2, 1980.00, 'new');
";

/// The steps of an order; each writes down that it was done, in the transaction in which it is done.
pub fn order_workflow() -> Workflow {
    Workflow::new()
        .label("order 7")
        .step(
            sql("INSERT INTO effects (step) VALUES ('reserve stock');
                 UPDATE stock SET held = held + o.qty FROM orders o WHERE o.id = 7 AND stock.sku = o.sku
                 RETURNING o.id AS order_id, o.sku, o.qty, o.amount")
            .named("hold"),
        )
        .fan_out([
            sql("INSERT INTO effects (step) VALUES ('write invoice');
                 SELECT pg_sleep(1.5);
                 INSERT INTO invoices (order_id, amount) VALUES ($hold.order_id, $hold.amount) RETURNING id")
            .named("invoice"),
            sql("INSERT INTO effects (step) VALUES ('print label');
                 INSERT INTO labels (order_id) VALUES ($hold.order_id) RETURNING id")
            .named("label"),
        ])
        .wait_for_signal(signal("approval").timeout(Duration::from_secs(24 * 3600)).named("approval"))
        .branch(
            sql("SELECT coalesce(($approval.data)->>'approved' = 'true', false)"),
            sql("INSERT INTO effects (step) VALUES ('ship');
                 UPDATE stock SET on_hand = on_hand - $hold.qty, held = held - $hold.qty WHERE sku = $hold.sku;
                 UPDATE orders SET state = 'shipped' WHERE id = $hold.order_id
                 RETURNING state, $invoice AS invoice, $label AS label"),
            sql("INSERT INTO effects (step) VALUES ('release stock');
                 UPDATE stock SET held = held - $hold.qty WHERE sku = $hold.sku;
                 UPDATE orders SET state = 'refused' WHERE id = $hold.order_id RETURNING state"),
        )
}
