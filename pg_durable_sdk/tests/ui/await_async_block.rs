mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    async { sql!("SELECT 1").await }.await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
