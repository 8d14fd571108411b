//! Decodes `schedule:` and `notify:` of `millrace.yml`: when a server runs the project, and who is
//! notified of the result.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::Serialize;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::project::decode::Decoder;
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::yaml::{Node, Scalar};
use crate::schedule::Cron;
use crate::time_zone::ProjectZone;

/// Default number of retries.
const RETRIES: u32 = 3;
const MOST_RETRIES: i64 = 20;

pub(super) static SCHEDULE: MapSpec = MapSpec {
    doc: "When `millrace serve` runs the project by itself.",
    keys: &[
        KeySpec::required(
            "cron",
            KeyKind::Text,
            "Minute, hour, day of month, month, day of week: `\"*/15 * * * *\"`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.",
        ),
        KeySpec::optional(
            "time_zone",
            KeyKind::Text,
            "Whose clock on the wall that means: a name of the IANA database such as `Europe/Paris`. The project's by default.",
        ),
        KeySpec::optional(
            "catch_up",
            KeyKind::Bool,
            "Whether a time that went by while no server was there is made up for at its start, once for all of them. `true` by default.",
        ),
        KeySpec::optional(
            "retries",
            KeyKind::Integer(0, MOST_RETRIES),
            "How often a run is tried again that failed for a reason that may pass by itself, such as a server that did not answer. `3` by default.",
        ),
    ],
};

pub(super) static NOTIFY: MapSpec = MapSpec {
    doc: "Whom to tell how a run of the schedule has ended.",
    keys: &[
        KeySpec::required(
            "webhook",
            KeyKind::Text,
            "Address to which a JSON document is posted. It is often a secret: `\"${MILLRACE_WEBHOOK}\"`.",
        ),
        KeySpec::optional(
            "on",
            KeyKind::ListOf(&KeyKind::OneOf(&["failed", "held", "published", "unchanged"])),
            "How a run must end for that. `[failed, held]` by default.",
        ),
    ],
};

/// When a server runs the project.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The cron expression, in local time of the zone.
    pub cron: Cron,
    /// Name of the time zone, in the spelling of the IANA database.
    pub time_zone: String,
    /// Whether a server runs once at its start if it missed at least one run while it was down.
    pub catch_up: bool,
    /// Number of retries after a failure that may be temporary.
    pub retries: u32,
}

/// The result of a run, as used in notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyOn {
    /// The run failed, and is not retried.
    Failed,
    /// Nothing was published, because a data test failed or a relation of someone else is in the
    /// way.
    Held,
    /// A publication was made.
    Published,
    /// Nothing had changed.
    Unchanged,
}

impl NotifyOn {
    /// The name in project files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Published => "published",
            Self::Unchanged => "unchanged",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Failed, Self::Held, Self::Published, Self::Unchanged];
        all.into_iter().find(|on| on.as_str() == name)
    }
}

/// A webhook for results of scheduled runs. `Debug` hides its URL, which may be a secret.
#[derive(Clone, PartialEq)]
pub struct Notify {
    /// The `http` or `https` URL that notifications are posted to.
    pub webhook: String,
    /// The results that are notified.
    pub on: Vec<NotifyOn>,
    /// One error for each `${NAME}` that is not set. Then there are no notifications, and a server
    /// reports it at its start.
    pub unset: Vec<Diagnostic>,
}

impl std::fmt::Debug for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notify").field("on", &self.on).finish_non_exhaustive()
    }
}

impl Schedule {
    /// The rules of the zone: those of the operating system, which are usually newer, otherwise
    /// those bundled with this program.
    pub fn zone(&self, system: &TimeZoneDatabase) -> TimeZone {
        let brought = || TimeZoneDatabase::bundled().get(&self.time_zone);
        // Cannot fail: the name was found in the bundled database when the file was decoded.
        system.get(&self.time_zone).or_else(|_| brought()).unwrap_or(TimeZone::UTC)
    }
}

/// Decodes `schedule:`. Returns `None` if the expression or the zone is invalid, which is reported.
pub(super) fn schedule(node: &Node, of_project: &ProjectZone, decoder: &mut Decoder<'_>) -> Option<Schedule> {
    let cron = node.get("cron")?;
    let cron = match cron.text()?.parse::<Cron>() {
        Ok(parsed) => Some(parsed),
        Err(message) => {
            let hint = "Write `\"0 6 * * *\"` for six o'clock each morning, `\"*/15 * * * *\"` for each quarter of an hour.";
            decoder.report(Code::WrongValue, &cron.range, message.to_string(), Some(hint.to_owned()));
            None
        }
    };
    let time_zone = time_zone(node, of_project, decoder);
    let catch_up = node.get("catch_up").and_then(Node::scalar).and_then(Scalar::as_bool).unwrap_or(true);
    let retries = node.get("retries").and_then(Node::scalar).and_then(Scalar::as_integer);
    let retries = retries.and_then(|retries| u32::try_from(retries).ok()).unwrap_or(RETRIES);
    Some(Schedule { cron: cron?, time_zone: time_zone?.name().to_owned(), catch_up, retries })
}

/// Decodes `time_zone:`, or returns `default` if the key is missing. Returns `None` if the zone
/// does not exist, which is reported.
pub(super) fn time_zone(
    node: &Node,
    default: &ProjectZone,
    decoder: &mut Decoder<'_>,
) -> Option<ProjectZone> {
    let Some(value) = node.get("time_zone") else { return Some(default.clone()) };
    let name = value.text()?;
    match ProjectZone::of(name) {
        Ok(zone) => Some(zone),
        Err(hint) => {
            decoder.report(Code::WrongValue, &value.range, format!("`{name}` is no time zone"), Some(hint));
            None
        }
    }
}

/// Decodes `notify:`. Returns `None` if the URL is invalid, which is reported.
pub(super) fn notify(node: &Node, decoder: &mut Decoder<'_>) -> Option<Notify> {
    let address = node.get("webhook")?;
    let mut unset = Vec::new();
    let webhook = decoder.interpolated(address.text()?, &address.range, &mut unset);
    let is_web = |address: &str| address.starts_with("https://") || address.starts_with("http://");
    // With an unset variable the URL is incomplete and cannot be checked.
    if unset.is_empty() && !is_web(&webhook) {
        let hint = "Write the whole address: `\"https://example.com/hook\"`.";
        let message = "the webhook is no `http` or `https` address";
        decoder.report(Code::WrongValue, &address.range, message, Some(hint.to_owned()));
        return None;
    }
    let on = match node.get("on") {
        None => vec![NotifyOn::Failed, NotifyOn::Held],
        Some(_) => decoder.texts(node, "on").iter().filter_map(|name| NotifyOn::from_name(name)).collect(),
    };
    Some(Notify { webhook, on, unset })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::project::Connectors;
    use crate::project::manifest::Manifest;
    use crate::project::yaml;

    fn manifest(text: &str) -> (Manifest, Vec<Diagnostic>) {
        let (file, mut diagnostics) = ("millrace.yml".into(), Vec::new());
        let text = format!("name: shop\nenvironments: {{dev: {{type: duckdb}}}}\n{text}\n");
        let node = yaml::parse(&file, &text, &mut diagnostics).expect("it is YAML");
        let variables = BTreeMap::from([("HOOK".to_owned(), "https://example.com/secret".to_owned())]);
        let mut connectors = Connectors::default();
        connectors.add_warehouse("duckdb", &MapSpec::EMPTY);
        let mut decoder = Decoder {
            file: &file,
            connectors: &connectors,
            variables: &variables,
            diagnostics: &mut diagnostics,
        };
        let manifest = Manifest::decode(&node, &mut decoder);
        (manifest, diagnostics)
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let (manifest, diagnostics) =
            manifest("schedule: {cron: \"*/15 * * * *\"}\nnotify: {webhook: \"${HOOK}\"}");
        assert_eq!(diagnostics, []);
        let schedule = manifest.schedule.expect("there is one");
        assert_eq!((schedule.time_zone.as_str(), schedule.catch_up, schedule.retries), ("UTC", true, 3));
        let notify = manifest.notify.expect("there is one");
        assert_eq!(notify.on, [NotifyOn::Failed, NotifyOn::Held]);
        assert_eq!(notify.webhook, "https://example.com/secret");
        assert!(!format!("{notify:?}").contains("secret"));
    }

    #[test]
    fn what_is_written_is_read() {
        let text = "schedule: {cron: 0 6 * * 1-5, time_zone: europe/paris, catch_up: false, retries: 0}\n\
                    notify: {webhook: \"${NOBODY}\", on: [published]}";
        let (read, diagnostics) = manifest(text);
        assert_eq!(diagnostics, []);
        let schedule = read.schedule.expect("there is one");
        assert_eq!(
            (schedule.time_zone.as_str(), schedule.catch_up, schedule.retries),
            ("Europe/Paris", false, 0)
        );
        let (of_project, diagnostics) = manifest("time_zone: europe/paris\nschedule: {cron: 0 6 * * *}");
        assert_eq!(diagnostics, []);
        assert_eq!(of_project.time_zone.name(), "Europe/Paris");
        assert_eq!(of_project.schedule.expect("there is one").time_zone, "Europe/Paris");
        let next = schedule.cron.next_after(
            "2026-03-27T12:00:00Z".parse().expect("a moment"),
            &schedule.zone(&TimeZoneDatabase::none()),
        );
        // A Monday on which summer time in Paris, two hours ahead of UTC, has begun.
        assert_eq!(next, "2026-03-30T04:00:00Z".parse().ok());
        let notify = read.notify.expect("there is one");
        assert_eq!(notify.on, [NotifyOn::Published]);
        assert_eq!(notify.unset.len(), 1);
    }

    #[test]
    fn what_cannot_be_kept_is_reported_with_a_way_out() {
        for (text, message, hint) in [
            ("schedule: {cron: 0 25 * * *}", "`25` is no hour: write 0 to 23", "six o'clock"),
            ("schedule: {cron: 0 6 31 2 *}", "no such day ever comes", "six o'clock"),
            ("schedule: {cron: \"@daily\", time_zone: Paris}", "`Paris` is no time zone", "`Europe/Paris`"),
            ("schedule: {cron: \"@daily\", time_zone: Europe/Pariss}", "no time zone", "`Europe/Paris`"),
            ("schedule: {cron: \"@daily\", time_zone: CET+1}", "no time zone", ""),
            ("schedule: {cron: \"@daily\", retries: 21}", "20", ""),
            ("schedule: {time_zone: UTC}", "cron", ""),
            ("time_zone: Pariss", "`Pariss` is no time zone", "IANA"),
            ("notify: {webhook: example.com}", "no `http` or `https` address", "https://"),
            ("notify: {webhook: \"${HOOK}\", on: [never]}", "never", "failed"),
        ] {
            let (_, diagnostics) = manifest(text);
            assert_eq!(diagnostics.len(), 1, "{text}: {diagnostics:?}");
            let first = &diagnostics[0];
            assert!(first.message.contains(message), "{text}: {first:?}");
            assert!(first.hint.as_deref().unwrap_or_default().contains(hint), "{text}: {first:?}");
        }
    }
}
