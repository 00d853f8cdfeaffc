mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    select! {
        go = signal("go") => { sql!("SELECT {go.id}").await?; }
        _ = sleep(hours(1)) => {}
    }
    Ok(Receipt { id: order.id })
}

fn main() {}
