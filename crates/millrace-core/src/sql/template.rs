//! Renders models that use dbt's template syntax, `{{ … }}` or `{% … %}`.
//!
//! `ref` and `source` render to the names that plain SQL uses, so one resolver handles both.
//! Templates see only the values in [`TemplateContext`]; an undefined name is an error, and the
//! number of steps is limited.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Kwargs, Object, Rest, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Span};
use crate::materialization::Materialization;
use crate::name::{Ident, Relation};
use crate::sql::var::Var;

/// Maximum number of steps (minijinja's fuel) for one template. It stops endless loops.
const FUEL: u64 = 5_000_000;

/// The values that templates can read.
#[derive(Debug, Clone, Default)]
pub struct TemplateContext {
    /// Values of `var(…)`.
    pub vars: BTreeMap<String, Var>,
    /// Values of `env_var(…)`.
    pub variables: BTreeMap<String, String>,
    /// `target.name`: the name of the environment.
    pub target: String,
}

/// The result of rendering a template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// The rendered SQL.
    pub sql: String,
    /// The argument of `config(materialized=…)`.
    pub materialization: Option<Materialization>,
    /// The statements of `config(post_hook=…)`; they are templates themselves.
    pub post_hooks: Vec<String>,
    /// The argument of `config(enabled=…)`: whether the model is part of the project.
    pub enabled: Option<bool>,
}

/// A rendered hook. The name of its table is not known before the run and is inserted then; see
/// [`render_hook`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    sql: String,
}

// Placeholders for the table. They contain Unicode noncharacters, which are never used for text, so
// no project file can contain them.
const THIS_SCHEMA: &str = "\u{fdd0}schema\u{fdd1}";
const THIS_NAME: &str = "\u{fdd0}name\u{fdd1}";

impl Hook {
    /// The statement for a given table.
    pub fn on(&self, table: &Relation) -> String {
        // Quoted placeholders first, so that the names that replace them are escaped.
        let quoted = |marker: &str| format!("\"{marker}\"");
        self.sql
            .replace(&quoted(THIS_SCHEMA), &Ident::new(&table.schema).to_string())
            .replace(&quoted(THIS_NAME), &Ident::new(&table.name).to_string())
            .replace(THIS_SCHEMA, &table.schema)
            .replace(THIS_NAME, &table.name)
    }

    /// The statement with placeholders for the table; used in fingerprints.
    pub fn text(&self) -> &str {
        &self.sql
    }
}

/// The value of `{{ this }}` in a hook.
#[derive(Debug)]
struct This;

impl Object for This {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "schema" => Some(Value::from(THIS_SCHEMA)),
            "name" | "identifier" | "table" => Some(Value::from(THIS_NAME)),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Relation::new(THIS_SCHEMA, THIS_NAME))
    }
}

/// Renders a `post_hook`, as dbt does: a template in which `this` is the table just built, with
/// `this.schema` and `this.name`. `var`, `env_var` and `target` are available as in models.
///
/// `ref` and `source` are refused. A hook may only change its own table: if it read others, the
/// table's content would depend on inputs that the plan does not know.
pub fn render_hook(
    file: &Arc<str>,
    source: &str,
    hook: &str,
    context: &TemplateContext,
) -> Result<Hook, Box<Diagnostic>> {
    let mut environment = environment(context, &Configured::default());
    // These functions stay defined, so that the error can say what to do instead.
    for name in ["ref", "source", "config"] {
        environment.add_function(name, move |_: Rest<Value>| -> Result<Value, Error> {
            let message = format!("`{name}` has no place in it; read other tables in the model, and change `{{{{ this }}}}` here");
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
    }
    let target = target(context);
    let rendered = environment.render_named_str(
        file,
        hook,
        minijinja::context! { target, this => Value::from_object(This) },
    );
    let sql = rendered.map_err(|error| {
        let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let message = format!("this `post_hook` cannot be rendered: {message}");
        Box::new(Diagnostic::error(Code::BrokenTemplate, message).at(find(file, source, hook), ""))
    })?;
    Ok(Hook { sql: sql.trim().trim_end_matches(';').to_owned() })
}

/// The arguments of all `config(…)` calls so far.
#[derive(Debug, Default)]
struct Configuration {
    materialized: Option<String>,
    post_hooks: Vec<String>,
    enabled: Option<bool>,
}

type Configured = Arc<Mutex<Configuration>>;

/// Whether a text contains template syntax.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Renders a model's template. `file` is used in diagnostics. Fails if the template is invalid or
/// names an unknown materialization.
pub fn render(file: &Arc<str>, text: &str, context: &TemplateContext) -> Result<Rendered, Box<Diagnostic>> {
    let configured = Configured::default();
    let environment = environment(context, &configured);
    let target = target(context);
    let sql = environment
        .render_named_str(file, text, minijinja::context! { target })
        .map_err(|error| Box::new(template_error(file, text, &error)))?;
    let configured = std::mem::take(&mut *configured.lock().unwrap_or_else(PoisonError::into_inner));
    let materialization = match configured.materialized {
        None => None,
        Some(name) => Some(Materialization::from_name(&name).ok_or_else(|| {
            let known = Materialization::NAMES.iter().copied();
            Box::new(
                Diagnostic::error(Code::WrongValue, format!("there is no materialization `{name}`"))
                    .at(find(file, text, &name), "")
                    .maybe_hint(crate::suggest::did_you_mean(&name, known, "there are")),
            )
        })?),
    };
    Ok(Rendered { sql, materialization, post_hooks: configured.post_hooks, enabled: configured.enabled })
}

fn target(context: &TemplateContext) -> Value {
    Value::from_iter(BTreeMap::from([("name".to_owned(), context.target.clone())]))
}

/// An environment with dbt's functions. Calls of `config` are recorded in `configured`.
fn environment(context: &TemplateContext, configured: &Configured) -> Environment<'static> {
    let mut environment = Environment::new();
    // A misspelled name must be an error, not empty text.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.add_function("ref", |names: Rest<String>| match names.as_slice() {
        // In dbt's two-argument form, the first argument is a package.
        [name] | [_, name] => Ok(Value::from_safe_string(Ident::new(name).to_string())),
        _ => Err(Error::new(ErrorKind::InvalidOperation, "`ref` takes the name of a model")),
    });
    environment.add_function("source", |source: String, stream: String| {
        Value::from_safe_string(format!("{}.{}", Ident::new(source), Ident::new(stream)))
    });
    let vars = context.vars.clone();
    environment.add_function("var", move |name: String, default: Option<Value>| {
        vars.get(&name).map(var_value).or(default).ok_or_else(|| {
            Error::new(
                ErrorKind::UndefinedError,
                format!(
                    "the variable `{name}` is not set; add it to `vars:` in `millrace.yml`, or give a default"
                ),
            )
        })
    });
    let variables = context.variables.clone();
    environment.add_function("env_var", move |name: String, default: Option<String>| {
        variables.get(&name).cloned().or(default).ok_or_else(|| {
            Error::new(ErrorKind::UndefinedError, format!("the environment variable `{name}` is not set"))
        })
    });
    let written = Arc::clone(configured);
    environment.add_function("config", move |options: Kwargs| {
        let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Some(kind)) = options.get::<Option<String>>("materialized") {
            written.materialized = Some(kind);
        }
        if let Ok(Some(hooks)) = options.get::<Option<Value>>("post_hook") {
            // dbt accepts one statement or a list of statements.
            match hooks.as_str() {
                Some(one) => written.post_hooks.push(one.to_owned()),
                None => written.post_hooks.extend(hooks.try_iter()?.map(|hook| hook.to_string())),
            }
        }
        if let Ok(Some(enabled)) = options.get::<Option<bool>>("enabled") {
            written.enabled = Some(enabled);
        }
        // A valid option has been read above and so counts as used; the rest is unknown or of the
        // wrong type.
        options.assert_all_used().map_err(|_| refused(&options))?;
        Ok::<_, Error>(Value::from_safe_string(String::new()))
    });
    environment
}

/// The options of `config`.
const OPTIONS: [&str; 3] = ["materialized", "post_hook", "enabled"];

/// The error for an option that `config` does not have, or whose value has the wrong type.
fn refused(options: &Kwargs) -> Error {
    let unknown = options.args().find(|name| !OPTIONS.contains(name));
    let message = match unknown {
        None => {
            "`config` takes a text as `materialized`, true or false as `enabled`, and texts as `post_hook`"
                .to_owned()
        }
        Some(name) => format!("`config` has no option `{name}`: {}", instead_of(name)),
    };
    Error::new(ErrorKind::InvalidOperation, message)
}

/// What to do instead of using an option of dbt that is not supported.
pub(crate) fn instead_of(option: &str) -> &'static str {
    match option {
        "pre_hook" | "pre-hook" => "write what it does into the model, or into its `post_hook`",
        "unique_key" | "incremental_strategy" | "on_schema_change" => {
            "models are built whole, and only where something has changed; `key:` of a stream merges its rows"
        }
        "schema" | "database" => "the schemas of an environment are named by `schemas:` in `millrace.yml`",
        "alias" => "a model is named as its file is",
        "indexes" => "write `indexes:` beside the model's `name` in YAML",
        "persist_docs" => "descriptions are published as comments without it",
        _ => "take it away; there are `materialized`, `post_hook` and `enabled`",
    }
}

fn var_value(var: &Var) -> Value {
    match var {
        Var::Null => Value::from(()),
        Var::Bool(value) => Value::from(*value),
        Var::Integer(value) => Value::from(*value),
        Var::Text(value) => Value::from(value.as_str()),
    }
}

/// Converts a rendering error. Uses the error's range if it has one, otherwise the start of its
/// line.
fn template_error(file: &Arc<str>, text: &str, error: &Error) -> Diagnostic {
    let message = match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    };
    let range = error.range().or_else(|| {
        let start = text.split_inclusive('\n').take(error.line()?.saturating_sub(1)).map(str::len).sum();
        Some(start..start)
    });
    let range = range.filter(|range| text.get(range.clone()).is_some()).unwrap_or(0..0);
    Diagnostic::error(Code::BrokenTemplate, format!("this template cannot be rendered: {message}"))
        .at(Span::new(file, range), "")
}

/// The first occurrence of a text in a file; an empty span if there is none.
pub(crate) fn find(file: &Arc<str>, text: &str, name: &str) -> Span {
    let at = if name.is_empty() { None } else { text.find(name) };
    Span::new(file, at.map_or(0..0, |at| at..at + name.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn context() -> TemplateContext {
        TemplateContext {
            vars: BTreeMap::from([("spread".into(), Var::Bool(true))]),
            ..TemplateContext::default()
        }
    }

    #[test]
    fn speaks_dbt() {
        let text = "{{ config(materialized='view', enabled=true) }}select 1 from {{ ref('stg \"o') }} a, \
                    {{ source('files', 'orders') }}{% if var('spread') %} where x{% endif %} {{ var('n', 3) }}";
        let rendered = render(&"m.sql".into(), text, &context()).expect("it renders");
        assert_eq!(rendered.sql, "select 1 from \"stg \"\"o\" a, \"files\".\"orders\" where x 3");
        assert_eq!(rendered.materialization, Some(Materialization::View));
        assert_eq!(rendered.enabled, Some(true));
    }

    #[test]
    fn hooks_know_their_table() {
        let text =
            "{{ config(post_hook=[\"update {{ this }} set a = 1;\", 'analyze {{ this.schema }}']) }}select 1";
        let rendered = render(&"m.sql".into(), text, &context()).expect("it renders");
        assert_eq!(rendered.sql, "select 1");
        let table = Relation::new("b", "a\"t");
        let hooks: Vec<String> = rendered
            .post_hooks
            .iter()
            .map(|hook| render_hook(&"m.sql".into(), text, hook, &context()).expect("it renders").on(&table))
            .collect();
        assert_eq!(hooks, ["update \"b\".\"a\"\"t\" set a = 1", "analyze b"]);
        let refused = render_hook(&"m.sql".into(), text, "select {{ ref('x') }}", &context());
        let refused = refused.expect_err("a hook reads no other model");
        assert!(refused.message.contains("`ref` has no place in it"), "{}", refused.message);
        let broken = render_hook(&"m.sql".into(), text, "{{ thus }}", &context()).expect_err("no such name");
        assert!(broken.message.contains("post_hook"), "{}", broken.message);
    }

    #[test]
    fn an_option_that_would_do_nothing_is_refused() {
        for (options, expected) in [
            ("tags=['x']", "no option `tags`: take it away"),
            ("pre_hook='x'", "no option `pre_hook`: write what it does"),
            ("unique_key='id'", "no option `unique_key`: models are built whole"),
            ("schema='x'", "no option `schema`: the schemas of an environment"),
            ("enabled='maybe'", "true or false as `enabled`"),
            ("materialized=1.5", "there is no materialization `1.5`"),
        ] {
            let text = format!("{{{{ config({options}) }}}}select 1");
            let diagnostic = render(&"m.sql".into(), &text, &context()).expect_err("it is refused");
            assert!(diagnostic.message.contains(expected), "{options}: {}", diagnostic.message);
        }
    }

    #[test]
    fn mistakes_have_places() {
        let text = "select 1\nfrom {{ ref('a') }\n";
        let diagnostic = render(&"m.sql".into(), text, &context()).expect_err("it is broken");
        assert_eq!(diagnostic.code, Code::BrokenTemplate);
        assert!(diagnostic.labels[0].span.range.start >= 9);
        let diagnostic =
            render(&"m.sql".into(), "{{ var('nope') }}", &context()).expect_err("no such variable");
        assert!(diagnostic.message.contains("`nope` is not set"), "{}", diagnostic.message);
        assert!(
            render(
                &"m.sql".into(),
                "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
                &context()
            )
            .is_err()
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\{\\{|\\}\\}|\\{%|%\\}|ref\\('a'\\)|if|endif|for x in|[a-z '()|.é\n]){0,20}") {
            let _ = render(&"m.sql".into(), &text, &context());
        }
    }
}
