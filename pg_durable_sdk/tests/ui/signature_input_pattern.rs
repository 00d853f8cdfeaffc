mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(Order { id, .. }: Order) -> Result<Receipt> {
    Ok(Receipt { id })
}

fn main() {}
