//! Each key that it takes a server of another kind, a second run or some time to see anything of, with the test that sets it.

use super::Proof::{self, Test};

const LOST: &str = "crates/millrace/tests/it/lost.rs";
const SCHEDULE: &str = "crates/millrace/tests/it/schedule.rs";
const RESUME: &str = "crates/millrace/tests/it/resume.rs";
const REMOTE: &str = "crates/millrace-connectors/tests/it/remote.rs";
const PG_LIMITS: &str = "crates/millrace-connectors/tests/it/postgres/limits.rs";
const MYSQL: &str = "crates/millrace-connectors/tests/it/mysql/parallel.rs";
const COLUMNS: &str = "crates/millrace-connectors/tests/it/mysql/columns.rs";

/// `place/key` of one or several places, and the test's file and name.
pub(super) const TESTED: &[(&str, Proof)] = &[
    ("millrace.yml/max_shrink", Test(LOST, "a_fall_that_the_project_forbids_holds_the_run")),
    (
        "millrace.yml/serve/address",
        Test("crates/millrace/tests/it/owner.rs", "a_server_listens_where_the_project_says"),
    ),
    (
        "millrace.yml/schedule/catch_up",
        Test(SCHEDULE, "in_a_file_what_was_missed_stays_so_where_the_project_says_so"),
    ),
    (
        "millrace.yml/schedule/retries",
        Test("crates/millrace-core/src/project/schedule.rs", "what_is_written_is_read"),
    ),
    (
        "millrace.yml/schedule/retries",
        Test(
            "crates/millrace-engine/src/schedule/scheduler/tests.rs",
            "retries_end_where_the_next_time_comes",
        ),
    ),
    ("millrace.yml/notify/on", Test(SCHEDULE, "what_cannot_be_told_is_said_without_the_address")),
    (
        "postgres/url, postgres/statement_timeout",
        Test(PG_LIMITS, "a_run_has_a_limit_where_the_environment_says_so"),
    ),
    ("postgres/connections", Test(PG_LIMITS, "a_sign_of_life_waits_for_nobody")),
    (
        "postgres/silence",
        Test("crates/millrace-connectors/tests/it/postgres/stalled.rs", "a_copy_that_gets_stuck"),
    ),
    ("stream/allow_empty", Test(LOST, "a_stream_that_lost_all_its_rows_holds_the_run_until_told_otherwise")),
    ("stream/max_shrink", Test(LOST, "a_smaller_fall_is_a_warning_or_held_as_the_project_says")),
    (
        "csv source/sample, csv stream/sample, json source/sample, json stream/sample, ndjson source/sample, ndjson stream/sample",
        Test("crates/millrace/tests/it/files.rs", "a_sample_is_captured_and_the_rest_is_seen"),
    ),
    (
        "csv source/headers, csv stream/headers, json source/headers, json stream/headers, ndjson source/headers, ndjson stream/headers, parquet source/headers, parquet stream/headers",
        Test(REMOTE, "servers_that_refuse_say_why"),
    ),
    (
        "csv source/s3, csv stream/s3, json source/s3, json stream/s3, ndjson source/s3, ndjson stream/s3, parquet source/s3, parquet stream/s3, \
         csv source/s3/region, csv stream/s3/region, json source/s3/region, json stream/s3/region, ndjson source/s3/region, ndjson stream/s3/region, parquet source/s3/region, parquet stream/s3/region, \
         csv source/s3/endpoint, csv stream/s3/endpoint, json source/s3/endpoint, json stream/s3/endpoint, ndjson source/s3/endpoint, ndjson stream/s3/endpoint, parquet source/s3/endpoint, parquet stream/s3/endpoint, \
         csv source/s3/access_key, csv stream/s3/access_key, json source/s3/access_key, json stream/s3/access_key, ndjson source/s3/access_key, ndjson stream/s3/access_key, parquet source/s3/access_key, parquet stream/s3/access_key, \
         csv source/s3/secret_key, csv stream/s3/secret_key, json source/s3/secret_key, json stream/s3/secret_key, ndjson source/s3/secret_key, ndjson stream/s3/secret_key, parquet source/s3/secret_key, parquet stream/s3/secret_key",
        Test(REMOTE, "objects_of_a_bucket_are_listed_and_read"),
    ),
    (
        "csv source/s3/session_token, csv stream/s3/session_token, json source/s3/session_token, json stream/s3/session_token, ndjson source/s3/session_token, ndjson stream/s3/session_token, parquet source/s3/session_token, parquet stream/s3/session_token",
        Test(REMOTE, "a_session_token_goes_with_the_signature"),
    ),
    (
        "mysql_dump source/encoding, mysql_dump stream/encoding",
        Test("crates/millrace-connectors/tests/it/mysql_dump.rs", "every_type_as_the_server_has_it"),
    ),
    (
        "mysql source/url",
        Test("crates/millrace-connectors/tests/it/mysql/refusal.rs", "tables_that_cannot_be_read"),
    ),
    (
        "mysql source/ssl_ca, mysql source/ssl_cert, mysql source/ssl_key",
        Test("crates/millrace-connectors/tests/it/mysql/tls.rs", "a_certificate_of_ones_own_opens_the_door"),
    ),
    (
        "mysql source/zero_dates, mysql stream/zero_dates",
        Test(COLUMNS, "zero_dates_go_where_the_stream_says"),
    ),
    (
        "mysql source/connections, mysql stream/connections, mysql source/range_rows, mysql stream/range_rows",
        Test(MYSQL, "every_row_once_whatever_the_key"),
    ),
    ("mysql source/snapshot, mysql stream/snapshot", Test(MYSQL, "a_lock_makes_a_moment_too")),
    ("mysql source/chunk_rows, mysql stream/chunk_rows", Test(RESUME, "a_load_goes_on_where_it_died")),
    ("mysql source/moment, mysql stream/moment", Test(RESUME, "a_load_that_is_another_one_begins_anew")),
    (
        "mysql source/read_timeout",
        Test(
            "crates/millrace-connectors/tests/it/mysql/stalled.rs",
            "silence_in_the_middle_of_rows_ends_a_read",
        ),
    ),
    (
        "mysql source/socket, mysql source/user, mysql source/password",
        Test("crates/millrace-connectors/tests/it/mysql/socket.rs", "without_a_network"),
    ),
    ("mysql stream/table", Test(COLUMNS, "names_generated_and_invisible_columns")),
    (
        "mysql stream/cursor, mysql stream/lag",
        Test("crates/millrace-connectors/tests/it/mysql/incremental.rs", "only_what_has_come_is_read_again"),
    ),
    (
        "mysql stream/deletes, mysql stream/reconcile_every",
        Test("crates/millrace/tests/it/deletes.rs", "rows_whose_keys_are_gone_are_removed"),
    ),
    (
        "captured/views",
        Test("crates/millrace/tests/it/outside.rs", "streams_are_left_out_by_name_pattern_and_kind"),
    ),
    (
        "models/models/columns/description",
        Test(
            "crates/millrace/tests/it/names.rs",
            "tests_indexes_and_metrics_find_columns_whatever_their_case",
        ),
    ),
];
