//! Compiles the query for the values of a dimension, which a reader can choose from.

use crate::diagnostic::Diagnostic;
use crate::metric::filter::DimensionTypes;
use crate::metric::query::{Tables, compared, table_of};
use crate::metric::view::SemanticView;
use crate::name::Ident;
use crate::sql::dialect::Dialect;
use crate::value::Value;

/// Maximum number of listed values.
pub const MOST_OPTIONS: usize = 1_000;

impl SemanticView {
    /// A statement that lists the distinct values of a dimension, and its parameters.
    ///
    /// The first column is the value: in the column's type, as text if values are compared as text,
    /// or as a day for the time dimension. The second column is the total number of values, the
    /// same in each row. Rows are in the values' order, NULL first, at most [`MOST_OPTIONS`].
    ///
    /// `search` restricts the values to those whose text contains the given text, ignoring case and
    /// accents as defined by [`Dialect::folded`]. NULL never matches.
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
        // A dimension of a joined model is also NULL for base rows without a partner. That NULL is
        // not offered, because finding it would cost a join, and readers look for the joined
        // model's own values.
        let sql = format!(
            "select found.kept as value, count(*) over () as total\n\
             from (select distinct {column} as kept from {table}) as found{condition}\n\
             order by found.kept nulls first limit {MOST_OPTIONS}"
        );
        Ok((sql, params))
    }
}
