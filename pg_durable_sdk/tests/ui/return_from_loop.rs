mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    loop {
        return Ok(Receipt { id: 1 });
    }
}

fn main() {}
