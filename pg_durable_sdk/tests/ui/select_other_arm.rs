mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    select! {
        go = signal::<i64>("go") => {}
        _ = sleep(hours(1)) => { if go { sql!("SELECT 1").await?; } }
    }
    Ok(Receipt { id: order.id })
}

fn main() {}
