mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    select! {
        _ = signal("go"),
        _ = sleep(hours(1)) => {}
    }
    Ok(Receipt { id: order.id })
}

fn main() {}
