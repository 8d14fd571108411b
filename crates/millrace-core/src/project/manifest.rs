//! Decodes `millrace.yml`: the project's environments, defaults, server and schedule.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Span};
use crate::materialization::Materialization;
use crate::name::Naming;
use crate::project::decode::Decoder;
use crate::project::environment::{Environment, environment};
use crate::project::mask_salt::{MASK_SALT, MaskSalt, mask_salt};
use crate::project::schedule::{NOTIFY, Notify, SCHEDULE, Schedule, notify, schedule, time_zone};
use crate::project::shrink::{MAX_SHRINK, Shrink, max_shrink};
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::yaml::Node;
use crate::sql::var::Var;
use crate::time_zone::ProjectZone;

/// The keys of `millrace.yml`.
pub static MANIFEST: MapSpec = MapSpec {
    doc: "`millrace.yml`: the project's name, its warehouses and its defaults.",
    keys: &[
        KeySpec::required("name", KeyKind::Text, "Name of the project, as pages show it."),
        KeySpec::required(
            "environments",
            KeyKind::MapOf(&KeyKind::Any),
            "Warehouses by name. The first is the default; `--env NAME` takes another. Each has a `type:` and the keys of that type.",
        ),
        KeySpec::optional(
            "naming",
            KeyKind::OneOf(&["snake_case", "source"]),
            "How loaded columns are named: `snake_case` (the default, `ClientID` becomes `client_id`) or as in the `source`.",
        ),
        KeySpec::optional(
            "time_zone",
            KeyKind::Text,
            "Where the days of the project begin: a name of the IANA database such as `Europe/Paris`. It decides which day a moment belongs to (`timestamptz`), in models and on pages, what `today` is, and what the schedule's times mean; a timestamp without a zone is taken as it stands. `UTC` by default.",
        ),
        MASK_SALT,
        KeySpec::optional(
            "vars",
            KeyKind::MapOf(&KeyKind::Scalar),
            "Values that templates read with `{{ var('name') }}`; `--var name=value` overrides one for a command.",
        ),
        KeySpec::optional(
            "models",
            KeyKind::MapOf(&KeyKind::Map(&FOLDER)),
            "Defaults for the models of a folder below `models/`, by its path.",
        ),
        KeySpec::optional(
            "max_quarantine",
            KeyKind::Text,
            "Rows of a stream that may go to quarantine before a run gives up: a number, or a share such as `5%`. The default is `5%`; `--max-quarantine` overrides it.",
        ),
        MAX_SHRINK,
        KeySpec::optional("serve", KeyKind::Map(&SERVE), "How `millrace serve` listens and who may read."),
        KeySpec::optional(
            "schedule",
            KeyKind::Map(&SCHEDULE),
            "When `millrace serve` runs the project by itself.",
        ),
        KeySpec::optional(
            "notify",
            KeyKind::Map(&NOTIFY),
            "Whom to tell how a run of the schedule has ended.",
        ),
    ],
};

static FOLDER: MapSpec = MapSpec {
    doc: "Defaults of a folder of models.",
    keys: &[KeySpec::optional(
        "materialization",
        KeyKind::OneOf(Materialization::NAMES),
        "What the models become: `table` (the default) or `view`.",
    )],
};

static SERVE: MapSpec = MapSpec {
    doc: "How `millrace serve` listens and who may read.",
    keys: &[
        KeySpec::optional(
            "address",
            KeyKind::Text,
            "IP address and port, `127.0.0.1:4321` by default. An address that is not loopback needs `auth:`.",
        ),
        KeySpec::optional("auth", KeyKind::Map(&AUTH), "Who may read: a token, or users with passwords."),
        KeySpec::optional(
            "hosts",
            KeyKind::ListOf(&KeyKind::Text),
            "Host names under which the server may be asked, beside its address (a reverse proxy's name, say).",
        ),
    ],
};

static AUTH: MapSpec = MapSpec {
    doc: "Who may read. Secrets come from the environment: `token: \"${MILLRACE_TOKEN}\"`.",
    keys: &[
        KeySpec::optional(
            "token",
            KeyKind::Text,
            "Readers send `Authorization: Bearer TOKEN`, or type it as password.",
        ),
        KeySpec::optional(
            "users",
            KeyKind::MapOf(&KeyKind::Text),
            "Users by name, each with the argon2 hash of the password (`millrace hash-password` prints one).",
        ),
    ],
};

/// How the server listens, and who may read.
#[derive(Debug, Clone, Default)]
pub struct ServeSettings {
    /// IP address and port as written.
    pub address: Option<String>,
    /// Additional host names that requests may use.
    pub hosts: Vec<String>,
    /// Authentication; `None` allows everyone on loopback.
    pub auth: Option<AuthSettings>,
    /// One error for each `${NAME}` that is not set; `serve` reports them.
    pub unset: Vec<Diagnostic>,
}

/// Who may read. `Debug` hides all secrets.
#[derive(Clone, Default)]
pub struct AuthSettings {
    /// The bearer token.
    pub token: Option<String>,
    /// Argon2 password hashes, by user name.
    pub users: BTreeMap<String, String>,
}

impl std::fmt::Debug for AuthSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthSettings").field("users", &self.users.keys()).finish_non_exhaustive()
    }
}

/// Maximum number of rows of a stream that may go to quarantine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum QuarantineLimit {
    /// A number of rows.
    Rows(u64),
    /// A percentage of the rows read.
    Percent(f64),
}

impl Default for QuarantineLimit {
    fn default() -> Self {
        Self::Percent(5.0)
    }
}

impl std::str::FromStr for QuarantineLimit {
    type Err = String;

    /// Parses a number of rows, or a percentage from `0%` to `100%`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a number of rows nor a share such as `5%`");
        match text.strip_suffix('%') {
            Some(share) => match share.trim().parse::<f64>() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(Self::Percent(share)),
                _ => Err(wrong()),
            },
            None => text.parse().map(Self::Rows).map_err(|_| wrong()),
        }
    }
}

impl QuarantineLimit {
    /// Whether `quarantined` out of `rows` is above the limit. `rows` counts both loaded and
    /// quarantined rows.
    pub fn exceeded(self, quarantined: u64, rows: u64) -> bool {
        match self {
            Self::Rows(limit) => quarantined > limit,
            Self::Percent(share) => quarantined as f64 * 100.0 > share * rows as f64,
        }
    }
}

impl std::fmt::Display for QuarantineLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "{rows} rows"),
            Self::Percent(share) => write!(f, "{share} % of the rows"),
        }
    }
}

/// The content of `millrace.yml`.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// Name of the project.
    pub name: String,
    /// Warehouses; the first one is the default.
    pub environments: Vec<Environment>,
    /// How columns of streams are named in the warehouse.
    pub naming: Naming,
    /// The time zone in which days begin.
    pub time_zone: ProjectZone,
    /// The secret for masked columns.
    pub mask_salt: MaskSalt,
    /// Variables for templates.
    pub vars: BTreeMap<String, Var>,
    /// Default materializations, by folder path below `models/`.
    pub folders: BTreeMap<String, Materialization>,
    /// Default limit of rows in quarantine for each stream.
    pub max_quarantine: QuarantineLimit,
    /// Maximum share of its rows that a stream may lose between two loads, if the project sets it.
    pub max_shrink: Option<Shrink>,
    /// How the server listens.
    pub serve: ServeSettings,
    /// When a server runs the project.
    pub schedule: Option<Schedule>,
    /// Who is notified about scheduled runs.
    pub notify: Option<Notify>,
}

impl Manifest {
    /// Decodes the file. An invalid key is reported and keeps its default.
    pub fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Self {
        decoder.check("`millrace.yml`", node, &[&MANIFEST]);
        let mut manifest = Self { name: decoder.text(node, "name").unwrap_or_default(), ..Self::default() };
        if node.get("naming").and_then(Node::text) == Some("source") {
            manifest.naming = Naming::Source;
        }
        if let Some(zone) = time_zone(node, &ProjectZone::default(), decoder) {
            manifest.time_zone = zone;
        }
        manifest.mask_salt = mask_salt(node, decoder);
        for (name, value) in decoder.entries(node, "vars") {
            if let Some(scalar) = value.scalar() {
                manifest.vars.insert(name, Var::from_scalar(scalar));
            }
        }
        // A path is accepted with or without slashes at its ends.
        for (path, value) in decoder.entries(node, "models") {
            if let Some(kind) =
                value.get("materialization").and_then(Node::text).and_then(Materialization::from_name)
            {
                manifest.folders.insert(path.trim_matches('/').to_owned(), kind);
            }
        }
        if let Some(value) = node.get("max_quarantine") {
            match value.text().unwrap_or_default().parse() {
                Ok(limit) => manifest.max_quarantine = limit,
                Err(message) => decoder.report(Code::WrongValue, &value.range, message, None),
            }
        }
        manifest.max_shrink = max_shrink(node.get("max_shrink"), decoder);
        for (name, value) in decoder.entries(node, "environments") {
            manifest.environments.extend(environment(name, value, decoder));
        }
        // A missing key has been reported by the check of keys; an empty mapping has not.
        if manifest.environments.is_empty() && node.get("environments").is_some() {
            let range = node.get("environments").map_or(0..0, |n| n.range.clone());
            let hint = Some("Add `dev: {type: duckdb, path: .millrace/warehouse.duckdb}`.".into());
            decoder.report(Code::MissingKey, &range, "`environments` names no warehouse", hint);
        }
        if let Some(value) = node.get("serve") {
            manifest.serve = serve(value, decoder);
        }
        manifest.schedule =
            node.get("schedule").and_then(|value| schedule(value, &manifest.time_zone, decoder));
        manifest.notify = node.get("notify").and_then(|value| notify(value, decoder));
        manifest
    }
}

/// Decodes `serve:`. Unset variables are collected and not reported here, because only `serve`
/// needs these settings.
fn serve(node: &Node, decoder: &mut Decoder<'_>) -> ServeSettings {
    let mut serve = ServeSettings { hosts: decoder.texts(node, "hosts"), ..ServeSettings::default() };
    let mut unset = Vec::new();
    let resolve = |node: &Node, unset: &mut Vec<Diagnostic>| {
        node.text().map(|text| decoder.interpolated(text, &node.range, unset))
    };
    serve.address = node.get("address").and_then(|value| resolve(value, &mut unset));
    if let Some(auth) = node.get("auth") {
        let token = auth.get("token").and_then(|value| resolve(value, &mut unset));
        let users = auth.get("users").and_then(Node::map).unwrap_or_default();
        let users =
            users.iter().filter_map(|e| Some((e.key.clone(), resolve(&e.value, &mut unset)?))).collect();
        serve.auth = Some(AuthSettings { token, users });
    }
    if serve.auth.as_ref().is_some_and(|auth| auth.token.is_none() && auth.users.is_empty()) {
        let diagnostic = Diagnostic::error(Code::WrongValue, "`auth` names neither a token nor a user")
            .at(Span::new(decoder.file, node.range.clone()), "")
            .hint("Add `token: \"${MILLRACE_TOKEN}\"` or `users: {name: hash}`.");
        decoder.diagnostics.push(diagnostic);
    }
    serve.unset = unset;
    serve
}
