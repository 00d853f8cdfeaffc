mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    sql!("DO $$ BEGIN PERFORM {order.id}; END $$").await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
