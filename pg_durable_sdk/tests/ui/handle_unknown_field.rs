mod shop;
use pg_durable_sdk::{Step, sql};
use shop::*;

fn main() {
    let hold: Step<Hold> = sql!("SELECT 1 AS id").returns();
    let _ = sql!("SELECT {hold.idd}");
}
