mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let answer: Approval = if order.express { signal("a").await? } else { signal("b").await? };
    Ok(Receipt { id: order.id })
}

fn main() {}
