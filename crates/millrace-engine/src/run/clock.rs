//! Versions for models whose SQL gives other results without a change of its inputs: the day, or
//! the run.

use millrace_core::graph::{Graph, Model};
use millrace_core::sql::volatile::Changes;
use millrace_core::value::Value;

use crate::error::Result;
use crate::ports::warehouse::{QueryLimits, Statement, Warehouse};

/// The present run and day, as part of model fingerprints.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    run: String,
    /// The warehouse's `current_date`; `None` if no model depends on it.
    day: Option<String>,
}

impl Clock {
    /// The clock of a run. The day is asked of the warehouse if a model depends on it, so that it
    /// is the day that the model's SQL sees. If the day ends before the model is built, the next
    /// run builds it again.
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

    /// The part of a model's fingerprint that depends on time; `None` if its result does not.
    /// Without a known day the run stands in, so that the model is rebuilt in doubt.
    pub(crate) fn version(&self, model: &Model) -> Option<String> {
        match &model.changes {
            Changes::Never => None,
            Changes::Daily(_) => Some(format!("day {}", self.day.as_ref().unwrap_or(&self.run))),
            Changes::Always(_) => Some(format!("run {}", self.run)),
        }
    }
}

/// Why a model is rebuilt that was built before.
pub(crate) fn reason(model: &Model) -> String {
    match &model.changes {
        Changes::Never => "its SQL or what it reads has changed".to_owned(),
        Changes::Daily(call) => format!("its SQL, what it reads, or the day (`{call}`) has changed"),
        Changes::Always(call) => format!("it calls `{call}`, which is different each time"),
    }
}
