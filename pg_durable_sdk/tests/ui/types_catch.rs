mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let id: i64 = match async {
        let id: i64 = sql!("SELECT {order.id}").await?;
        Ok(id)
    }
    .await
    {
        Ok(id) => id,
        Err(error) => sql!("SELECT {error.code}").await?,
    };
    let hold: Hold = match async { Ok(id) }.await {
        Ok(hold) => hold,
        Err(_) => fail!("no hold"),
    };
    match sql!("SELECT {hold.id} AS id").await {
        Ok(receipt) => Ok(receipt),
        Err(error) => Ok(error),
    }
}

fn main() {}
