//! An order workflow that outlives the killing of its server: reserve stock, invoice and label in parallel, wait for
//! approval, ship. The server is killed with SIGKILL twice on the way, and every effect is counted at the end.

mod report;
mod shop;
mod view;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use pg_durable_sdk::testing::TestServer;
use pg_durable_sdk::{Client, Run};
use tokio::task::block_in_place;

use view::View;

/// How long anything in here may take before something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Parser)]
#[command(about = "Runs an order workflow and kills its server in the middle")]
struct Arguments {
    /// Leave the cluster running at the end.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut view = View::new();

    view.say("Starting a throwaway PostgreSQL with the extension");
    let server =
        block_in_place(|| TestServer::builder().durable().setting("pg_durable.test_clock", "off").start())?;
    view.note(&format!("{} on port {}", server.installation().version(), server.port()));

    view.say("Loading a small shop");
    block_in_place(|| server.psql("postgres", shop::SET_UP))?;
    block_in_place(|| server.psql_as("shop", "postgres", shop::LOAD))?;
    view.note("10 bicycles in stock, order 7 wants 2 of them; role \"shop\" is no superuser");

    view.say("Starting the workflow as role \"shop\", with the SDK");
    let client = Client::connect(&server.dsn("shop", "postgres")).await?;
    let workflow = shop::order_workflow();
    let run = workflow.start(&client).await?;
    view.note(&format!("instance {}", run.id()));

    follow(&mut view, &run, "the invoice step is running", || is_invoicing(&server)).await?;
    kill(&mut view, &server, "the invoice step has written its row and not committed")?;
    let effects = block_in_place(|| server.psql("postgres", report::INVOICE_EFFECTS))?;
    // On a very slow machine the step may have run again before we look.
    if effects == "0" {
        view.note("the half-done step left nothing behind; it runs again, from its beginning");
    }

    follow(&mut view, &run, "it waits for approval", || is_waiting(&server, &run)).await?;
    kill(&mut view, &server, "the order waits for a human")?;

    follow(&mut view, &run, "it waits for approval again", || is_waiting(&server, &run)).await?;
    view.say("Approving the order");
    run.signal("approval", &serde_json::json!({ "approved": true, "by": "Ada" })).await?;

    let output = tokio::time::timeout(PATIENCE, run.result())
        .await
        .context("the workflow did not end")?
        .context("the workflow failed")?;
    view.draw(&run.explain().await?);
    view.note(&format!("result: {output}"));

    view.say("What happened");
    let is_right = report::print(&server)?;
    if arguments.keep {
        let kept = server.keep()?;
        println!("\nThe cluster keeps running. Look around with");
        println!("  {} -h {} -p {} -U shop postgres", kept.psql.display(), kept.folder.display(), kept.port);
        println!("  SELECT df.explain('{}');", run.id());
        println!("and stop it with\n  {}", kept.stop_command);
    } else {
        println!("\nRun `cargo xtask demo --keep` to look around in the database with psql.");
    }
    if !is_right {
        bail!("an effect is missing, or there twice");
    }
    Ok(())
}

/// Draws the graph whenever it changes, until `is_there`.
async fn follow(view: &mut View, run: &Run, what: &str, is_there: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The server may be on its way up.
        if let Ok(graph) = run.explain().await {
            view.draw(&graph);
        }
        if block_in_place(&is_there).unwrap_or(false) {
            view.note(what);
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain until {what}", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_invoicing(server: &TestServer) -> Result<bool> {
    let sleeping = "SELECT count(*) FROM pg_stat_activity \
                    WHERE backend_type = 'pg_durable executor' AND wait_event = 'PgSleep'";
    Ok(server.psql("postgres", sleeping)?.trim() == "1")
}

fn is_waiting(server: &TestServer, run: &Run) -> Result<bool> {
    let waiting = format!(
        "SELECT count(*) FROM df.instance_nodes('{}') WHERE waiting_for = 'signal approval'",
        run.id()
    );
    Ok(server.psql("postgres", &waiting)?.trim() == "1")
}

fn kill(view: &mut View, server: &TestServer, when: &str) -> Result<()> {
    let pid = server.postmaster_pid()?;
    view.say(&format!("kill -9 {pid}: the postmaster, while {when}"));
    block_in_place(|| server.kill_postmaster())?;
    let down = Instant::now();
    block_in_place(|| server.start_again())?;
    view.note(&format!("started again after {} ms; nobody resubmits anything", down.elapsed().as_millis()));
    Ok(())
}
