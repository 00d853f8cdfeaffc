mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let approval: Option<Approval> = signal("approval").timeout(hours(1)).await?;
    if approval.approved {
        sql!("SELECT 1").await?;
    }
    Ok(Receipt { id: order.id })
}

fn main() {}
