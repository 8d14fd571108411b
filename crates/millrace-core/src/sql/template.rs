//! Templates in dbt's vocabulary, for models that use `{{ … }}` or `{% … %}`.
//!
//! `ref` and `source` render to the same names that plain SQL uses, so that one resolver serves both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Kwargs, Object, Rest, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Span};
use crate::materialization::Materialization;
use crate::name::{Ident, Relation};
use crate::sql::var::Var;

/// Steps that one template may take; a loop without end stops here.
const FUEL: u64 = 5_000_000;

/// What templates may look at.
#[derive(Debug, Clone, Default)]
pub struct TemplateContext {
    /// `var(…)`.
    pub vars: BTreeMap<String, Var>,
    /// `env_var(…)`.
    pub variables: BTreeMap<String, String>,
    /// `target.name`: the environment.
    pub target: String,
}

/// A template's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    /// SQL.
    pub sql: String,
    /// What `config(materialized=…)` said.
    pub materialization: Option<Materialization>,
    /// What `config(post_hook=…)` said: statements, themselves templates.
    pub post_hooks: Vec<String>,
    /// What `config(enabled=…)` said: whether the model is part of the project.
    pub enabled: Option<bool>,
}

/// A statement that runs on a table whose name is not known before the run; see [`render_hook`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    sql: String,
}

// No project file holds these characters (noncharacters of Unicode, never used for text), so no SQL is taken for them.
const THIS_SCHEMA: &str = "\u{fdd0}schema\u{fdd1}";
const THIS_NAME: &str = "\u{fdd0}name\u{fdd1}";

impl Hook {
    /// The statement for a table.
    pub fn on(&self, table: &Relation) -> String {
        let quoted = |marker: &str| format!("\"{marker}\"");
        self.sql
            .replace(&quoted(THIS_SCHEMA), &Ident::new(&table.schema).to_string())
            .replace(&quoted(THIS_NAME), &Ident::new(&table.name).to_string())
            .replace(THIS_SCHEMA, &table.schema)
            .replace(THIS_NAME, &table.name)
    }

    /// The statement with `this` in place of the table, for fingerprints.
    pub fn text(&self) -> &str {
        &self.sql
    }
}

/// `{{ this }}` in a hook.
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

/// Renders a `post_hook`. The statement is dbt's: a template in which `this` is the table just built, with `this.schema` and
/// `this.name`; `var`, `env_var` and `target` as in models. `ref` and `source` are refused: a hook works on its own table, and what it
/// read beside that would decide on the table's content without the plan knowing.
pub fn render_hook(
    file: &Arc<str>,
    source: &str,
    hook: &str,
    context: &TemplateContext,
) -> Result<Hook, Box<Diagnostic>> {
    let mut environment = environment(context, &Configured::default());
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

/// What `config(…)` has said so far.
#[derive(Debug, Default)]
struct Configuration {
    materialized: Option<String>,
    post_hooks: Vec<String>,
    enabled: Option<bool>,
}

type Configured = Arc<Mutex<Configuration>>;

/// Whether a text is a template.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Renders the template of `file`.
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

/// An environment with dbt's functions.
fn environment(context: &TemplateContext, configured: &Configured) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.add_function("ref", |names: Rest<String>| match names.as_slice() {
        // dbt's two-argument form names a package first.
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
            match hooks.as_str() {
                Some(one) => written.post_hooks.push(one.to_owned()),
                None => written.post_hooks.extend(hooks.try_iter()?.map(|hook| hook.to_string())),
            }
        }
        if let Ok(Some(enabled)) = options.get::<Option<bool>>("enabled") {
            written.enabled = Some(enabled);
        }
        // Whatever it takes has been read by now, with a value of its type.
        options.assert_all_used().map_err(|_| refused(&options))?;
        Ok::<_, Error>(Value::from_safe_string(String::new()))
    });
    environment
}

/// What `config` takes.
const OPTIONS: [&str; 3] = ["materialized", "post_hook", "enabled"];

/// An option that `config` does not have, or that is not of its type, with what to do instead.
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

/// What to do in the place of one of dbt's options.
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

/// The first place where a name stands in a text.
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
