//! `millrace init`: creates an empty project.

use std::path::Path;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::{is_plain_name, snake_case};
use serde_json::json;

use super::Outcome;
use crate::cli::Init;
use crate::failure::{Failure, cannot_write};
use crate::{exit, terminal};

/// Paths and texts of a new project's files; `{name}` is replaced by the project's name.
const FILES: [(&str, &str); 3] = [
    (
        "millrace.yml",
        "name: {name}\n\n\
         # Where days begin: it decides which day a moment belongs to. A name such as Europe/Paris.\n\
         time_zone: UTC\n\n\
         # Warehouses by name; the first is the default, `--env NAME` takes another.\n\
         environments:\n  dev: {type: duckdb, path: .millrace/{name}.duckdb}\n",
    ),
    (".gitignore", ".millrace/\n.env\n"),
    (
        "README.md",
        "# {name}\n\nA Millrace project.\n\n\
         1. Say where data comes from, a file a source. Two lines are enough, `sources/orders.yml`:\n\n   \
         ```yaml\n   type: json          # json, ndjson, csv, parquet, mysql_dump or mysql\n   path: data/orders.json\n   ```\n\n\
         2. `millrace capture` writes down its columns and types; commit the file.\n\
         3. Write models, `models/daily_orders.sql`: `select … from orders.orders`.\n\
         4. `millrace check`, then `millrace run`, then `millrace query \"select * from daily_orders\"`.\n\
         5. Metrics go into `metrics/`, pages into `dashboards/`; `millrace serve` shows them.\n",
    ),
];

/// Runs the verb. Refuses a folder with a project; existing files are never overwritten.
pub(super) fn init(args: &Init) -> Outcome {
    if args.dir.join("millrace.yml").exists() {
        let message = format!("`{}` holds a project already", args.dir.display());
        return Err(Failure::new(Diagnostic::error(Code::Usage, message), exit::PROJECT));
    }
    let name = args.name.clone().unwrap_or_else(|| default_name(&args.dir));
    if !is_plain_name(&name) {
        let message = format!("`{name}` cannot name a project");
        let hint = "Use a letter, then letters, digits and underscores: `--name shop`.";
        return Err(Failure::new(Diagnostic::error(Code::BadName, message).hint(hint), exit::PROJECT));
    }
    for folder in ["sources", "models", "metrics", "dashboards", "data"] {
        let folder = args.dir.join(folder);
        std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    }
    let mut written = Vec::new();
    for (path, text) in FILES {
        let place = args.dir.join(path);
        // Never overwrites a file, such as a `README.md` of the user.
        if place.exists() {
            continue;
        }
        std::fs::write(&place, text.replace("{name}", &name))
            .map_err(|error| cannot_write(&place, &error))?;
        written.push(path);
    }
    if args.json {
        terminal::json_line(
            &json!({"status": "ok", "project": args.dir.display().to_string(), "name": name, "files": written}),
        );
    } else {
        terminal::note(&format!("made project `{name}` in {}: {}", args.dir.display(), written.join(", ")));
        terminal::note(
            "days begin at midnight UTC: `time_zone:` in `millrace.yml` says where, such as `Europe/Paris`",
        );
        terminal::note("next: write `sources/orders.yml` (README.md shows how), then `millrace check`");
    }
    Ok(exit::DONE)
}

/// The name of the folder in snake case, or `project` if that is not a valid name.
fn default_name(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = snake_case(&name);
    if is_plain_name(&name) { name } else { "project".to_owned() }
}
