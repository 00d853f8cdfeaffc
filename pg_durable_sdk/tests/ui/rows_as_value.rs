mod shop;
use shop::*;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Report {
    holds: Vec<Hold>,
}

#[workflow(name = "report", version = 1)]
async fn report() -> Result<Report> {
    let holds: Vec<Hold> = sql!("SELECT 1 AS id").await?;
    Ok(Report { holds })
}

fn main() {}
