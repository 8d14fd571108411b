//! `cargo xtask house`: what of the house style can be counted. Rules that hold or do not are tests (`house/rules.rs`).

mod imports;
mod lengths;
#[cfg(test)]
mod rules;
mod sources;
mod stages;

use std::fmt::Write as _;

use crate::house::imports::{Crate, crates};
use crate::house::lengths::{LongFunction, Spread, documentation, long_functions};
use crate::house::sources::{all, shown};
use crate::{Outcome, say};

/// Lines of a file at most.
const LONGEST_FILE: usize = 500;

/// Lines of a function, after which it is counted as long.
const LONG_FUNCTION: usize = 60;

/// How many long functions there are outside of tests. This number only goes down: whoever splits one lowers it.
const LONG_FUNCTIONS: usize = 33;

/// Prints the figures; an error names what breaks a rule.
pub(crate) fn report() -> Outcome {
    let (mut text, mut broken) = (String::new(), Vec::new());
    lines(&mut text, &mut broken);
    functions(&mut text, &mut broken);
    circles(&mut text, &mut broken);
    let (imports, upward) = stages::upward_imports();
    let _ =
        writeln!(text, "imports between files of the engine: {imports}; to a later stage: {}", upward.len());
    broken.extend(upward);
    let (comments, code) = documentation(&sources::rust());
    let share = comments as f64 / code as f64;
    let _ = writeln!(text, "documentation lines per code line: {share:.2} ({comments} / {code})");
    say(text.trim_end());
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

fn lines(text: &mut String, broken: &mut Vec<String>) {
    let files = all();
    let spread = Spread::of(&files);
    let (longest, most) = &spread.largest;
    let _ = writeln!(
        text,
        "files: {}; lines: median {}, 90th percentile {}, largest {most} ({})",
        files.len(),
        spread.median,
        spread.percentile_90,
        shown(longest)
    );
    if *most > LONGEST_FILE {
        broken.push(format!("{} has {most} lines, {LONGEST_FILE} at most are allowed", shown(longest)));
    }
}

fn functions(text: &mut String, broken: &mut Vec<String>) {
    let long = long_functions(&sources::rust(), LONG_FUNCTION);
    let _ = writeln!(text, "functions over {LONG_FUNCTION} lines: {}", long.len());
    for LongFunction { file, name, lines } in &long {
        let _ = writeln!(text, "  {lines:>4}  {} `{name}`", shown(file));
    }
    if long.len() != LONG_FUNCTIONS {
        let next = if long.len() > LONG_FUNCTIONS { "split one" } else { "lower `LONG_FUNCTIONS`" };
        broken.push(format!(
            "{} functions have more than {LONG_FUNCTION} lines, and `xtask/src/house.rs` says {LONG_FUNCTIONS}: {next}",
            long.len()
        ));
    }
}

fn circles(text: &mut String, broken: &mut Vec<String>) {
    for (name, folder) in crates() {
        let found = Crate::read(&folder);
        let circles = found.circles();
        let (inside, across): (Vec<_>, Vec<_>) =
            circles.into_iter().partition(|circle| found.folders(circle).len() == 1);
        let _ = writeln!(
            text,
            "{name}: {} files; circles of imports: {} inside a folder, {} across folders",
            found.len(),
            inside.len(),
            across.len()
        );
        broken.extend(across.iter().map(|circle| {
            format!("{name}: a circle of imports spans folders: {}", imports::names(circle).join(", "))
        }));
    }
}
