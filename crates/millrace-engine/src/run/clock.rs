//! What models that change by themselves are versioned by: the day, or the run.

use millrace_core::graph::{Graph, Model};
use millrace_core::sql::volatile::Changes;
use millrace_core::value::Value;

use crate::error::Result;
use crate::ports::warehouse::{QueryLimits, Statement, Warehouse};

/// The present run and day.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    run: String,
    /// As the warehouse's `current_date` gives it; none where no model asks for it.
    day: Option<String>,
}

impl Clock {
    /// Of a run. Asks the warehouse for the day where a model depends on it, so that it is the day that the model will see. Should it end
    /// before the model is built, the next run builds it once more.
    pub(crate) async fn of(run: &str, graph: &Graph, warehouse: &dyn Warehouse) -> Result<Self> {
        let mut clock = Self { run: run.to_owned(), day: None };
        if graph.models.iter().any(|model| matches!(model.changes, Changes::Daily(_))) {
            let ask = Statement::new("select cast(current_date as varchar) as today");
            let found = warehouse.query(&ask, QueryLimits::STATE).await?;
            clock.day =
                found.data.first().and_then(|days| days.first()).and_then(Value::as_str).map(str::to_owned);
        }
        Ok(clock)
    }

    /// What decides on a model's rows beside its SQL and what it reads; none where nothing does.
    pub(crate) fn version(&self, model: &Model) -> Option<String> {
        match &model.changes {
            Changes::Never => None,
            Changes::Daily(_) => Some(format!("day {}", self.day.as_ref().unwrap_or(&self.run))),
            Changes::Always(_) => Some(format!("run {}", self.run)),
        }
    }
}

/// Why a model is built anew that an earlier run has built.
pub(crate) fn reason(model: &Model) -> String {
    match &model.changes {
        Changes::Never => "its SQL or what it reads has changed".to_owned(),
        Changes::Daily(call) => format!("its SQL, what it reads, or the day (`{call}`) has changed"),
        Changes::Always(call) => format!("it calls `{call}`, which is different each time"),
    }
}
