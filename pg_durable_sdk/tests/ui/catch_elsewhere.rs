mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    let n = match sql!("SELECT 1").await {
        Ok(n) => n,
        Err(_) => 0,
    };
    let approval: Approval = match signal("approval").await {
        Ok(approval) => approval,
        Err(_) => fail!("no signal"),
    };
    match sql!("SELECT 2").await? {
        Ok(_) => {}
        Err(_) => {}
    }
    match async { sql!("SELECT 3").await } {
        Ok(_) => {}
        Err(_) => {}
    }
    match async {
        let hold: Hold = sql!("SELECT 5 AS id").await?;
        Ok(hold)
    }
    .await
    {
        Ok(hold) => {
            sql!("SELECT {hold.id}").await?;
        }
        Err(_) => {}
    }
    if order.express {
        return Ok(match sql!("SELECT 6").await {
            Ok(receipt) => receipt,
            Err(error) => Receipt { id: error.attempt },
        });
    }
    loop {
        match async {
            if sql!("SELECT 4").await? {
                break;
            }
            return Ok(1);
        }
        .await
        {
            Ok(_) => {}
            Err(_) => return Ok(Receipt { id: 1 }),
        }
    }
}

fn main() {}
