//! The values that a dimension has, for whoever is to choose among them.

use crate::diagnostic::Diagnostic;
use crate::metric::filter::DimensionTypes;
use crate::metric::query::{Tables, compared, table_of};
use crate::metric::view::SemanticView;
use crate::name::Ident;
use crate::sql::dialect::Dialect;
use crate::value::Value;

/// Values that are listed at most.
pub const MOST_OPTIONS: usize = 1_000;

impl SemanticView {
    /// A statement of the distinct values of a dimension, and its parameters. The first column is the value as the column's type has it, or as
    /// text where values of it are compared as text; of the time it is the day. The second is in every row how many values there are in all. The rows
    /// are in the values' own order, NULL first, at most [`MOST_OPTIONS`].
    ///
    /// With a text to look for, only those whose text has it in it, without regard to case and accents as [`Dialect::folded`] has it; NULL never.
    pub fn compile_options(
        &self,
        name: &str,
        tables: &Tables,
        types: &DimensionTypes,
        search: Option<(&str, &dyn Dialect)>,
    ) -> Result<(String, Vec<Value>), Box<Diagnostic>> {
        let dimension = self.known_dimension(name)?;
        let table = table_of(&dimension.model, tables)?;
        let column = Ident::new(table.spelling.column(&dimension.column.text)).to_string();
        let (column, _) = compared(dimension, &column, types);
        let table = &table.relation;
        let (condition, params) = match search {
            None => (String::new(), Vec::new()),
            Some((text, dialect)) => {
                let within = dialect.folded("cast(found.kept as varchar)");
                let looked_for = dialect.folded("cast($1 as varchar)");
                (format!("\nwhere strpos({within}, {looked_for}) > 0"), vec![Value::Text(text.into())])
            }
        };
        // A dimension of a joined table may be NULL for want of a partner: offered only when it is so in the base's rows,
        // which costs a join; the joined table's own values are what people look for.
        let sql = format!(
            "select found.kept as value, count(*) over () as total\n\
             from (select distinct {column} as kept from {table}) as found{condition}\n\
             order by found.kept nulls first limit {MOST_OPTIONS}"
        );
        Ok((sql, params))
    }
}
