//! A role that is dropped while its workflows are under way, and made anew.

use std::collections::HashMap;

use super::random::Random;
use crate::recovery::cluster::Client;

/// Of each incarnation of the role.
const INSTANCES: u32 = 3;

/// The role `dave`. Each of its workflows does something, waits for a while, and does something else.
#[derive(Default)]
pub struct Leaver {
    incarnation: u32,
    /// By when each incarnation was gone, as the server's clock says.
    gone_by: HashMap<u32, String>,
}

impl Leaver {
    /// Makes the table of what the role has done.
    pub fn prepare(admin: &Client<'_>) {
        admin.rows(
            "CREATE TABLE public.left_behind (
                 incarnation int, label text, step int, at timestamptz DEFAULT clock_timestamp());
             GRANT INSERT ON public.left_behind TO PUBLIC",
        );
    }

    /// Drops the role, where it is there, and makes it anew with work of its own.
    pub fn come_back(&mut self, admin: &Client<'_>, random: &mut Random) {
        admin.rows_in_the_end(
            "DO $$ BEGIN
                 IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'dave') THEN
                     DROP OWNED BY dave; DROP ROLE dave;
                 END IF;
             END $$",
        );
        self.gone_by.insert(self.incarnation, admin.value("SELECT clock_timestamp()"));
        self.incarnation += 1;
        admin.rows_in_the_end(
            "DO $$ BEGIN
                 IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'dave') THEN
                     CREATE ROLE dave LOGIN;
                     PERFORM df.grant_usage('dave');
                 END IF;
             END $$",
        );
        let dave = admin.of("dave");
        for number in 0..INSTANCES {
            let label = format!("dave-{}-{number}", self.incarnation);
            let step = |step: u32| {
                format!(
                    "'INSERT INTO public.left_behind (incarnation, label, step)
                      VALUES ({}, ''{label}'', {step})'",
                    self.incarnation
                )
            };
            let pause = random.below(2000) as f64 / 1000.0;
            dave.start(&format!("{} ~> df.sleep({pause}) ~> {}", step(1), step(2)), &label, "step");
        }
    }

    /// What is wrong with what the role has done.
    pub fn mistakes(&self, admin: &Client<'_>) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut expect = |what: &str, of: u32, sql: &str| {
            let found = admin.value(sql);
            if found != "0" {
                mistakes.push(format!("{what} of incarnation {of} of the role: {found}"));
            }
        };
        for of in 1..=self.incarnation {
            let steps = format!("public.left_behind WHERE incarnation = {of}");
            expect(
                "steps done twice",
                of,
                &format!(
                    "SELECT count(*) FROM (SELECT FROM {steps} GROUP BY label, step HAVING count(*) > 1) AS x"
                ),
            );
            let completed = format!("df.instances WHERE label LIKE 'dave-{of}-%' AND status = 'completed'");
            expect(
                "steps missing of what completed",
                of,
                &format!(
                    "SELECT count(*) * 2 - (SELECT count(*) FROM {steps} AND label IN (SELECT label FROM {completed}))
                     FROM {completed}"
                ),
            );
            match self.gone_by.get(&of) {
                Some(at) => {
                    expect(
                        "steps done behind the drop",
                        of,
                        &format!("SELECT count(*) FROM {steps} AND at > '{at}'"),
                    );
                }
                None => {
                    expect("instances lost", of, &format!("SELECT {INSTANCES} - count(*) FROM {completed}"))
                }
            }
        }
        mistakes
    }
}
