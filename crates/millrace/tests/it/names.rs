//! Names of loaded columns as the source spells them, in models that do not quote them, in both warehouses.

use millrace_testkit::postgres::PostgresServer;

use crate::millrace::Project;

const ROWS: &str = "ClientID,Nom,total\n1,Ana,2.50\n2,Bo,3.25\n2,Bo,1.00\n";

fn project(files: &[(&str, &str)]) -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nnaming: source\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    let project = Project::of(&[
        ("millrace.yml", manifest.as_str()),
        ("sources/files.yml", "type: csv\npath: data/n.csv\nstreams: {clients: {}}\n"),
        ("data/n.csv", ROWS),
    ]);
    for (path, text) in files {
        project.write(path, text);
    }
    project
}

#[test]
fn unquoted_names_are_found_whatever_their_case() {
    let project = project(&[
        (
            "models/stg.sql",
            "select ClientID, c.NOM, Total from files.clients as c where clientid > 0 order by nom",
        ),
        // A name that the text gives means what it says.
        (
            "models/sums.sql",
            "with s as (select clientid as id, sum(total) as total from stg group by ClientID) select s.id, s.total, st.\"Nom\" from s join (select distinct ClientID, nom from stg) st on st.clientid = s.id join (select ClientID from stg group by 1) u using (CLIENTID)",
        ),
    ]);
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    for environment in ["dev", "prod"] {
        project.run_json(0, &["--env", environment]);
        let rows = project.rows_in(environment, "select id, total, \"Nom\" from sums order by id");
        assert_eq!(rows, [["1", "2.50", "Ana"], ["2", "4.25", "Bo"]], "{environment}");
        let sql = "select column_name from information_schema.columns where table_schema = 'publish' and table_name = 'stg' order by ordinal_position";
        assert_eq!(project.rows_in(environment, sql).concat(), ["ClientID", "Nom", "total"], "{environment}");
    }
}

#[test]
fn names_that_a_warehouse_cannot_tell_apart_or_hold_are_said_before_a_run() {
    let long = "x".repeat(64);
    let project = project(&[
        ("data/n.csv", format!("ID,id,{long}\n1,2,3\n").as_str()),
        ("models/m.sql", "select 1 as one"),
        ("models/long.sql", format!("select 1 as {long}").as_str()),
    ]);
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 2, "{}", checked.stderr);
    for words in [
        "error[name-collision]: columns `ID` and `id` of stream `files.clients` would both be called `id`",
        "error[name-too-long]: column",
        "warning[name-too-long]: column",
        "sources/files.yml:3:11",
        "hint: Leave one out: `exclude_columns: [id]`.",
    ] {
        assert!(checked.stderr.contains(words), "{words}\n{}", checked.stderr);
    }
}
