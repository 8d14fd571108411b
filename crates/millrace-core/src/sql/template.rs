//! Templates in dbt's vocabulary, for models that use `{{ … }}` or `{% … %}`.
//!
//! `ref` and `source` render to the same names that plain SQL uses, so that one resolver serves both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Span};
use crate::materialization::Materialization;
use crate::name::Ident;
use crate::project::manifest::Var;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// SQL.
    pub sql: String,
    /// What `config(materialized=…)` said.
    pub materialization: Option<Materialization>,
}

/// Whether a text is a template.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Renders the template of `file`.
pub fn render(file: &Arc<str>, text: &str, context: &TemplateContext) -> Result<Rendered, Box<Diagnostic>> {
    let configured: Arc<Mutex<Option<String>>> = Arc::default();
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
    let written = Arc::clone(&configured);
    environment.add_function("config", move |options: Kwargs| {
        if let Ok(Some(kind)) = options.get::<Option<String>>("materialized") {
            *written.lock().unwrap_or_else(PoisonError::into_inner) = Some(kind);
        }
        // dbt's other options (tags, schema, …) mean nothing here yet.
        for name in options.args() {
            let _ = options.get::<Value>(name);
        }
        Value::from_safe_string(String::new())
    });
    let target = Value::from_iter(BTreeMap::from([("name".to_owned(), context.target.clone())]));
    let sql = environment
        .render_named_str(file, text, minijinja::context! { target })
        .map_err(|error| Box::new(template_error(file, text, &error)))?;
    let kind = configured.lock().unwrap_or_else(PoisonError::into_inner).take();
    let materialization = match kind {
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
    Ok(Rendered { sql, materialization })
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
        let text = "{{ config(materialized='view', tags=['x']) }}select 1 from {{ ref('stg \"o') }} a, \
                    {{ source('files', 'orders') }}{% if var('spread') %} where x{% endif %} {{ var('n', 3) }}";
        let rendered = render(&"m.sql".into(), text, &context()).expect("it renders");
        assert_eq!(rendered.sql, "select 1 from \"stg \"\"o\" a, \"files\".\"orders\" where x 3");
        assert_eq!(rendered.materialization, Some(Materialization::View));
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
