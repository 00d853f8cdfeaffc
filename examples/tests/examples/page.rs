//! docs/examples.md shows what is in the examples.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../../docs/examples.md");

/// A block of code on the page belongs to the files that its section links to.
#[test]
fn the_page_shows_the_examples_as_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut blocks = 0;
    for section in PAGE.split("\n## ").skip(1) {
        let links = section.split("](../examples/").skip(1);
        let files: Vec<String> = links
            .map(|link| folder.join(link.split(')').next().expect("a link ends")))
            .filter(|path| !path.is_dir())
            .map(|path| {
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            })
            .collect();
        for block in section.split("\n```").skip(1).step_by(2) {
            let (language, code) = block.split_once('\n').expect("a block has lines");
            if ["rust", "sql"].contains(&language) {
                assert!(files.iter().any(|file| file.contains(code)), "no example has this:\n{code}");
                blocks += 1;
            }
        }
    }
    assert!(blocks >= 6, "each example has a block");
}

/// Each program is on the page.
#[test]
fn the_page_has_every_example() {
    let programs =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin")).expect("there are programs");
    for program in programs {
        let path = program.expect("it can be read").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("it has a name");
        let command = format!("cargo run -p pg_durable_examples --bin {name}\n");
        assert!(PAGE.contains(&command), "the page does not say {command}");
    }
}
