//! The data contract of a stream: decides with which columns it is loaded, from its captured
//! schema, its columns at present, and the contract's rules for changes.

use std::collections::BTreeMap;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::{Naming, StreamName};
use millrace_core::project::environment::LONGEST_NAME;
use millrace_core::project::source_file::{OnChange, ReadMode, StreamOptions};
use millrace_core::project::yaml::written;
use millrace_core::schema::{Column, DataType, StreamSchema};

use crate::compile::masks::masked_columns;
use crate::error::{Error, ErrorKind, Result};
use crate::ports::source::Discovered;

/// The columns of a load, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The columns under the source's names, for the read request.
    pub source_columns: Vec<Column>,
    /// The same columns under the warehouse's names; masked ones are texts.
    pub warehouse_columns: Vec<Column>,
    /// The key columns under the warehouse's names; empty if there is no key.
    pub key: Vec<String>,
    /// Captured columns that the source no longer has and that stay NULL, under the source's names.
    pub gone: Vec<String>,
}

/// The columns that a source shows of a stream at present.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    schema: &'a StreamSchema,
    /// Whether nothing is known of the columns, because no record could have shown any.
    is_empty: bool,
}

impl<'a> Observed<'a> {
    /// Columns that were derived from a discovery.
    pub fn of(discovered: &Discovered, schema: &'a StreamSchema) -> Self {
        Self { schema, is_empty: discovered.is_empty() }
    }
}

/// Columns without a count of examined records: if there are no columns, nothing is known of them.
impl<'a> From<&'a StreamSchema> for Observed<'a> {
    fn from(schema: &'a StreamSchema) -> Self {
        Self { schema, is_empty: schema.columns.is_empty() }
    }
}

/// Decides on the columns of a load. Differences from the captured schema that the contract accepts
/// are appended to `drift` as warnings. Fails with `ContractBroken` if the contract forbids a
/// difference, if names collide or are too long, or if a column of the key is missing.
pub fn reconcile<'a>(
    name: &StreamName,
    options: &StreamOptions,
    captured: Option<&StreamSchema>,
    observed: impl Into<Observed<'a>>,
    naming: Naming,
    drift: &mut Vec<Diagnostic>,
) -> Result<Target> {
    let seen: Observed<'a> = observed.into();
    let observed = seen.schema;
    let left_out = options.choice.left_out();
    let kept = |column: &&Column| !left_out.contains(&column.name);
    let mut columns: Vec<Column> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut gone: Vec<String> = Vec::new();
    match captured {
        None => columns.extend(observed.columns.iter().filter(kept).cloned()),
        Some(captured) => {
            for column in captured.columns.iter().filter(kept) {
                columns.push(captured_column(name, options, column, seen, &mut notes, &mut gone)?);
            }
            let new =
                observed.columns.iter().filter(kept).filter(|column| captured.column(&column.name).is_none());
            for column in new {
                match options.contract.columns {
                    OnChange::Evolve => {
                        notes.push(format!("column `{}` is new", column.name));
                        // Earlier rows lack the column.
                        columns.push(Column { nullable: true, ..column.clone() });
                    }
                    OnChange::Freeze => {
                        let message = format!(
                            "stream `{name}` has a new column `{}`, and its contract freezes columns",
                            column.name
                        );
                        return Err(Error::new(ErrorKind::ContractBroken, message).hint(format!(
                            "Run `millrace capture {}` to accept it, or set `contract: {{columns: evolve}}`.",
                            name.source
                        )));
                    }
                    OnChange::Quarantine => {
                        notes.push(format!("rows with the new column `{}` are set aside", column.name));
                    }
                }
            }
        }
    }
    if !notes.is_empty() {
        let message = format!("stream `{name}` differs from its captured schema: {}", notes.join(", "));
        let hint = format!("`millrace capture {}` writes the new state down.", name.source);
        drift.push(Diagnostic::warning(Code::SchemaDrift, message).hint(hint));
    }
    let warehouse_columns: Vec<Column> = masked_columns(&columns, &options.choice)
        .iter()
        .map(|c| Column { name: options.column_name(naming, &c.name), ..c.clone() })
        .collect();
    if let Some((_, message, hint)) = naming_problems(name, options, &columns, naming).into_iter().next() {
        return Err(Error::new(ErrorKind::ContractBroken, message).hint(hint));
    }
    let has = |key: &String| columns.iter().any(|column| column.name == *key);
    let by_source = options.key.is_empty();
    let key_names = if by_source { &observed.primary_key } else { &options.key };
    // If no columns are known, it is unknown too whether the key is complete.
    let missing = key_names.iter().find(|key| !columns.is_empty() && !has(key));
    if let Some(key) = missing.filter(|_| !by_source) {
        let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let hint = millrace_core::suggest::did_you_mean(key, known, "it has").unwrap_or_default();
        let message = format!("stream `{name}` has no column `{key}`, which its `key` names");
        return Err(Error::new(ErrorKind::ContractBroken, message).hint(hint));
    }
    // A key from the source may be incomplete only if nothing is merged by it.
    if let Some(key) = missing.filter(|_| options.mode != ReadMode::Full) {
        let message =
            format!("stream `{name}` is merged by its primary key, and leaves out `{key}`, a column of that");
        return Err(Error::new(ErrorKind::ContractBroken, message)
            .hint("Load that column, masked perhaps (`mask`), or name another key: `key: [column]`."));
    }
    // Part of a key identifies nothing.
    let key = if missing.is_some() {
        Vec::new()
    } else {
        key_names.iter().map(|column| options.column_name(naming, column)).collect()
    };
    Ok(Target { source_columns: columns, warehouse_columns, key, gone })
}

/// The captured column as it is loaded, with a wider type if the contract lets types evolve.
/// Refuses a missing column that is not nullable or that the contract freezes.
fn captured_column(
    name: &StreamName,
    options: &StreamOptions,
    column: &Column,
    observed: Observed<'_>,
    notes: &mut Vec<String>,
    gone: &mut Vec<String>,
) -> Result<Column> {
    if observed.is_empty {
        return Ok(column.clone());
    }
    let Some(seen) = observed.schema.column(&column.name) else {
        if column.nullable && options.contract.columns != OnChange::Freeze {
            notes.push(format!("column `{}` is gone and stays empty", column.name));
            gone.push(column.name.clone());
            return Ok(column.clone());
        }
        let message = format!("stream `{name}` no longer has column `{}`", column.name);
        let hint = format!("Run `millrace capture {}` to accept that.", name.source);
        return Err(Error::new(ErrorKind::ContractBroken, message).hint(hint));
    };
    if options.contract.types == OnChange::Evolve
        && options.chosen_type(&column.name).is_none()
        && let Some(wider) = evolved(column.data_type, seen.data_type, options.mode)
        && wider != column.data_type
    {
        notes.push(format!("column `{}` is now {wider}, was {}", column.name, column.data_type));
        return Ok(Column { data_type: wider, ..column.clone() });
    }
    Ok(column.clone())
}

/// The type with which a captured column also holds the observed values; `None` if no type does.
fn evolved(captured: DataType, seen: DataType, mode: ReadMode) -> Option<DataType> {
    let wider = wider(captured, seen)?;
    let digits = |data_type| match data_type {
        DataType::Decimal { precision, .. } => precision,
        _ => 0,
    };
    // A full load holds no earlier values, so the observed type suffices. Types beyond 38 digits
    // are avoided because not every warehouse computes with them.
    let is_needless =
        mode == ReadMode::Full && digits(wider) > WIDEST && (1..=WIDEST).contains(&digits(seen));
    Some(if is_needless { seen } else { wider })
}

/// The most digits of a decimal that every warehouse computes with.
const WIDEST: u8 = 38;

/// The columns of a discovery, prepared for [`reconcile`] with captured ones. A captured numeric
/// column is compared with the numbers in the column, whatever other values it has; its type
/// changes only if it does not hold one of those numbers.
pub fn against(discovered: &Discovered, captured: Option<&StreamSchema>) -> StreamSchema {
    let mut schema = discovered.schema.clone();
    for column in &mut schema.columns {
        let known = captured.and_then(|captured| captured.column(&column.name));
        let Some(known) = known.filter(|known| known.data_type.is_numeric()) else { continue };
        let numbers = discovered.seen.get(&column.name).and_then(|seen| seen.numbers);
        // Sources with types of their own have no profile of values; then their type stands.
        column.data_type = numbers
            .and_then(|numbers| numbers.needed(known.data_type))
            .unwrap_or(if discovered.seen.is_empty() { column.data_type } else { known.data_type });
    }
    schema
}

/// The error for `mode: append` on a source that cannot tell which rows are new.
pub(crate) fn no_append(name: &StreamName) -> Error {
    Error::new(ErrorKind::ContractBroken, format!("the source of stream `{name}` has no `mode: append`"))
        .hint("Only files have it. Such a source is read whole; `mode: upsert` keeps what it no longer has.")
}

/// The smallest numeric type that holds all values of both types exactly; `None` if there is none,
/// or if a type is not numeric.
pub fn wider(a: DataType, b: DataType) -> Option<DataType> {
    if a == b {
        return Some(a);
    }
    if let (DataType::Float32 | DataType::Float64, DataType::Float32 | DataType::Float64) = (a, b) {
        return Some(DataType::Float64);
    }
    let ((whole_a, scale_a, signed_a), (whole_b, scale_b, signed_b)) = (digits(a)?, digits(b)?);
    let (whole, scale) = (whole_a.max(whole_b), scale_a.max(scale_b));
    if scale == 0 && is_integer(a) && is_integer(b) {
        // Of two integer types with equal signedness, the one with more digits holds the other.
        if signed_a == signed_b {
            return Some(if whole_a >= whole_b { a } else { b });
        }
        let (signed, digits, of_unsigned) =
            if signed_a { (a, whole_a, whole_b) } else { (b, whole_b, whole_a) };
        return Some(match of_unsigned {
            // With an equal number of digits the unsigned type has the larger maximum, so the
            // signed type must have more digits.
            _ if digits > of_unsigned => signed,
            0..=3 => DataType::Int16,
            4..=5 => DataType::Int32,
            6..=10 => DataType::Int64,
            _ => DataType::Decimal { precision: 20, scale: 0 },
        });
    }
    let precision = whole + scale;
    (precision <= 65 && scale <= 38).then_some(DataType::Decimal { precision: precision.max(1), scale })
}

fn is_integer(data_type: DataType) -> bool {
    !matches!(data_type, DataType::Decimal { .. })
}

/// Digits before and after the point that hold every value of the type, and whether it has a sign;
/// `None` for types that are not exact numbers.
fn digits(data_type: DataType) -> Option<(u8, u8, bool)> {
    Some(match data_type {
        DataType::Int8 => (3, 0, true),
        DataType::UInt8 => (3, 0, false),
        DataType::Int16 => (5, 0, true),
        DataType::UInt16 => (5, 0, false),
        DataType::Int32 => (10, 0, true),
        DataType::UInt32 => (10, 0, false),
        DataType::Int64 => (19, 0, true),
        DataType::UInt64 => (20, 0, false),
        DataType::Decimal { precision, scale } => (precision - scale, scale, true),
        _ => return None,
    })
}

/// The problems with the columns' names in the warehouse, as (code, message, hint): names that are
/// equal except for letter case, and names longer than [`LONGEST_NAME`] bytes.
pub(crate) fn naming_problems(
    name: &StreamName,
    options: &StreamOptions,
    columns: &[Column],
    naming: Naming,
) -> Vec<(Code, String, String)> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for column in columns {
        let (ours, theirs) = (options.column_name(naming, &column.name), &column.name);
        if let Some(other) = seen.insert(ours.to_lowercase(), theirs) {
            let message =
                format!("columns `{other}` and `{theirs}` of stream `{name}` would both be called `{ours}`");
            let hint = format!("Give one another name: `rename: {{{}: {ours}_2}}`.", written(theirs));
            problems.push((Code::NameCollision, message, hint));
        }
        if ours.len() > LONGEST_NAME {
            let message = format!("column `{ours}` of stream `{name}` has more than {LONGEST_NAME} bytes");
            let hint = format!("Give it a shorter name: `rename: {{{}: short_name}}`.", written(theirs));
            problems.push((Code::NameTooLong, message, hint));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use millrace_core::diagnostic::Span;
    use millrace_core::diagnostic::Spanned;
    use millrace_core::project::column_choice::ColumnChoice;
    use millrace_core::project::deletes::Deletes;
    use millrace_core::project::settings::Settings;
    use millrace_core::project::source_file::{Contract, OnNul};

    use super::*;

    fn column(name: &str, data_type: DataType, nullable: bool) -> Column {
        Column { name: name.into(), data_type, nullable }
    }

    fn options(columns: OnChange, types: OnChange) -> StreamOptions {
        let secret = Spanned { text: "Secret".into(), span: Span::new(&"f".into(), 0..0) };
        StreamOptions {
            description: None,
            key: vec![],
            mode: ReadMode::Full,
            choice: ColumnChoice { excluded: vec![secret], ..ColumnChoice::default() },
            rename: Vec::new(),
            types: Vec::new(),
            deletes: Deletes::Unsaid,
            contract: Contract { columns, types },
            nul: OnNul::Error,
            max_quarantine: None,
            allow_empty: false,
            max_shrink: None,
            settings: Settings::default(),
        }
    }

    fn target(options: &StreamOptions, captured: &[Column], observed: &[Column]) -> (Result<Target>, usize) {
        let observed = StreamSchema { columns: observed.to_vec(), primary_key: vec![] };
        reconciled(options, captured, Observed::from(&observed))
    }

    fn reconciled(
        options: &StreamOptions,
        captured: &[Column],
        observed: Observed<'_>,
    ) -> (Result<Target>, usize) {
        let captured = StreamSchema { columns: captured.to_vec(), primary_key: vec![] };
        let (name, mut drift) = (StreamName::new("s", "t"), Vec::new());
        let target = reconcile(&name, options, Some(&captured), observed, Naming::SnakeCase, &mut drift);
        (target, drift.len())
    }

    #[test]
    fn contracts_decide_on_new_gone_and_wider_columns() {
        let captured = [column("ClientID", DataType::Int32, false), column("Email", DataType::Text, true)];
        let seen = [
            column("ClientID", DataType::Int64, false),
            column("Ville", DataType::Text, true),
            column("Secret", DataType::Text, true),
        ];
        let (evolved, notes) = target(&options(OnChange::Evolve, OnChange::Evolve), &captured, &seen);
        let evolved = evolved.expect("it evolves");
        assert_eq!(
            evolved.warehouse_columns,
            [
                column("client_id", DataType::Int64, false),
                column("email", DataType::Text, true),
                column("ville", DataType::Text, true),
            ]
        );
        assert_eq!(notes, 1);
        let (frozen, _) = target(&options(OnChange::Freeze, OnChange::Quarantine), &captured, &seen);
        assert_eq!(frozen.expect_err("it is frozen").kind(), ErrorKind::ContractBroken);
        let (set_aside, _) = target(&options(OnChange::Quarantine, OnChange::Quarantine), &captured, &seen);
        assert_eq!(set_aside.expect("it loads").source_columns, captured);
        let (gone, _) = target(&options(OnChange::Evolve, OnChange::Evolve), &captured, &seen[1..]);
        assert!(gone.is_err(), "a column that may not be empty cannot go");
        let (empty, notes) = target(&options(OnChange::Freeze, OnChange::Freeze), &captured, &[]);
        assert_eq!((empty.expect("an empty file").source_columns.len(), notes), (2, 0));
    }

    #[test]
    fn records_without_a_field_are_no_empty_file() {
        let captured = [column("a", DataType::Int32, true), column("b", DataType::Text, true)];
        let of = |records, contract| {
            let discovered = Discovered { records, ..Discovered::default() };
            let observed = Observed::of(&discovered, &discovered.schema);
            reconciled(&options(contract, OnChange::Evolve), &captured, observed)
        };
        for (records, gone) in [(None, &[][..]), (Some(0), &[]), (Some(1_000), &["a", "b"])] {
            let (target, notes) = of(records, OnChange::Evolve);
            let target = target.expect("columns that may be empty");
            assert_eq!(target.gone, gone, "{records:?}");
            assert_eq!(notes, usize::from(!gone.is_empty()), "{records:?}");
        }
        assert!(of(Some(1), OnChange::Freeze).0.is_err(), "a frozen column cannot go");
    }

    #[test]
    fn names_that_fall_together_are_refused() {
        let both = [column("ID", DataType::Int32, true), column("id", DataType::Int32, true)];
        let (collided, _) = target(&options(OnChange::Evolve, OnChange::Evolve), &both, &both);
        assert!(collided.expect_err("they collide").message().contains("`ID` and `id`"));
    }

    #[test]
    fn wider_types_hold_both() {
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        for (a, b, expected) in [
            (DataType::Int8, DataType::UInt8, Some(DataType::Int16)),
            (DataType::Int32, DataType::Int64, Some(DataType::Int64)),
            (DataType::Int64, DataType::UInt64, Some(decimal(20, 0))),
            (DataType::UInt32, DataType::Int8, Some(DataType::Int64)),
            (decimal(18, 2), DataType::Int64, Some(decimal(21, 2))),
            (decimal(18, 2), decimal(10, 6), Some(decimal(22, 6))),
            (DataType::UInt8, DataType::Int64, Some(DataType::Int64)),
            (DataType::Text, DataType::Int8, None),
        ] {
            assert_eq!(wider(a, b), expected, "{a} {b}");
        }
    }

    /// The least and the greatest number of a type, and its digits after the point, derived from
    /// the definitions of the types as an oracle.
    fn bounds(data_type: DataType) -> (i128, i128, u8) {
        let bits = |bits: u32, signed: bool| {
            let all = 1_i128 << bits;
            if signed { (-all / 2, all / 2 - 1, 0) } else { (0, all - 1, 0) }
        };
        match data_type {
            DataType::Int8 => bits(8, true),
            DataType::UInt8 => bits(8, false),
            DataType::Int16 => bits(16, true),
            DataType::UInt16 => bits(16, false),
            DataType::Int32 => bits(32, true),
            DataType::UInt32 => bits(32, false),
            DataType::Int64 => bits(64, true),
            DataType::UInt64 => bits(64, false),
            DataType::Decimal { precision, scale } => {
                let most = 10_i128.pow(u32::from(precision - scale)) - 1;
                (-most, most, scale)
            }
            other => panic!("{other} is no exact number"),
        }
    }

    #[test]
    fn the_wider_type_of_two_is_the_least_that_holds_both() {
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        let integers = [
            DataType::Int8,
            DataType::UInt8,
            DataType::Int16,
            DataType::UInt16,
            DataType::Int32,
            DataType::UInt32,
            DataType::Int64,
            DataType::UInt64,
        ];
        let holds = |wide: DataType, narrow: DataType| {
            let ((least, most, scale), (low, high, digits)) = (bounds(wide), bounds(narrow));
            least <= low && most >= high && scale >= digits
        };
        let decimals = [decimal(3, 0), decimal(5, 2), decimal(18, 2), decimal(20, 0), decimal(22, 10)];
        let all: Vec<DataType> = integers.into_iter().chain(decimals).collect();
        for &a in &all {
            for &b in &all {
                let wide = wider(a, b).expect("both are numbers");
                assert!(holds(wide, a) && holds(wide, b), "{a} {b}: {wide}");
                assert_eq!(wider(b, a), Some(wide), "{a} {b}");
                let only_integers = integers.contains(&a) && integers.contains(&b);
                let others: Vec<DataType> = if only_integers {
                    integers.into_iter().chain([decimal(20, 0)]).collect()
                } else {
                    (1..=38)
                        .flat_map(|precision| (0..=precision).map(move |scale| decimal(precision, scale)))
                        .collect()
                };
                let room = |data_type| {
                    let (least, most, scale) = bounds(data_type);
                    (most.saturating_sub(least), scale)
                };
                let less = others.into_iter().find(|other| {
                    let (most, scale) = room(*other);
                    let (of_wide, of_scale) = room(wide);
                    holds(*other, a)
                        && holds(*other, b)
                        && most <= of_wide
                        && scale <= of_scale
                        && *other != wide
                });
                assert_eq!(less, None, "{a} {b}: {wide}");
            }
        }
    }
}
