mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    loop {
        join!(async { break }, sql!("SELECT 1")).await?;
    }
}

fn main() {}
