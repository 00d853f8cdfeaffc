mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let hold: Hold = match sql!("SELECT 1 AS id").await {
        Ok(hold) => hold,
        Err(error) => return Err(error),
    };
    match sql!("SELECT {hold.id} AS id").await {
        Ok(receipt) => Ok(receipt),
        Err(error) => Err(error),
    }
}

fn main() {}
