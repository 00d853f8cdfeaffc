//! The table at the end: every effect, how often it is there, and whether that is right.

use anyhow::Result;
use pg_durable_sdk::testing::TestServer;

/// How often the invoice step has taken effect.
pub const INVOICE_EFFECTS: &str = "SELECT count(*) FROM effects WHERE step = 'write invoice'";

/// Prints the table; whether everything is there exactly once.
pub fn print(server: &TestServer) -> Result<bool> {
    const EFFECTS: &str = "
        SELECT want.step, count(e.step), coalesce(to_char(min(e.at), 'HH24:MI:SS.MS'), '-'),
               coalesce(min(e.role), '-')
        FROM unnest(ARRAY['reserve stock', 'write invoice', 'print label', 'ship'])
             WITH ORDINALITY AS want (step, place)
             LEFT JOIN effects AS e ON e.step = want.step
        GROUP BY want.step, want.place ORDER BY want.place";
    const ROWS: &str = "
        SELECT (SELECT count(*) FROM invoices), (SELECT count(*) FROM labels), s.on_hand, s.held, o.state
        FROM stock AS s, orders AS o WHERE s.sku = 'bicycle' AND o.id = 7";

    let mut is_right = true;
    println!("          {:<16}{:>9}  {:<14}{:<8}", "step", "effects", "at", "as role");
    for line in server.psql("postgres", EFFECTS)?.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [step, count, at, role] = fields.as_slice() else { continue };
        let once = *count == "1";
        is_right &= once;
        println!("          {step:<16}{count:>9}  {at:<14}{role:<8}{}", if once { "ok" } else { "WRONG" });
    }
    let rows = server.psql("postgres", ROWS)?;
    let fields: Vec<&str> = rows.trim().split('|').collect();
    let [invoices, labels, on_hand, held, state] = fields.as_slice() else { return Ok(false) };
    println!(
        "          order 7 is {state}; {invoices} invoice, {labels} label; {on_hand} bicycles on hand, {held} held"
    );
    is_right &= (*invoices, *labels, *on_hand, *held, *state) == ("1", "1", "8", "0", "shipped");
    println!(
        "          {}",
        if is_right { "Two kills, and every effect is there exactly once." } else { "That is wrong." }
    );
    Ok(is_right)
}
