mod shop;
use shop::*;

#[workflow(name = "order.fulfil", version = 1)]
async fn fulfil(order: Order) -> Result<Receipt> {
    match sql!("SELECT 1").await {
        Ok(_) => {}
    }
    match sql!("SELECT 2").await {
        Ok(_) => {}
        _ => {}
    }
    match sql!("SELECT 3").await {
        Ok(_) => {}
        Err(error) if error.sqlstate == "23505" => {}
        Err(_) => {}
    }
    match sql!("SELECT 4").await {
        Ok(_) => {}
        Err(Failure { sqlstate, .. }) => {}
    }
    match sql!("SELECT 5").returns::<Option<i64>>().await {
        Ok(Some(n)) => {}
        Ok(None) => {}
        Err(_) => {}
    }
    match join!(sql!("SELECT 6"), sql!("SELECT 7")).await {
        Ok((a, b)) => {}
        Err(_) => {}
    }
    match sql!("SELECT 8").await {
        Err(_) => {}
        Err(_) => {}
        Ok(_) => {}
    }
    Ok(Receipt { id: order.id })
}

fn main() {}
