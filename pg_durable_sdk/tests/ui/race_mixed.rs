mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let first: Approval = race!(sql!("SELECT true AS approved"), signal("approval")).await?;
    Ok(Receipt { id: order.id })
}

fn main() {}
