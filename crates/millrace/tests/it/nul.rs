//! Texts with the character U+0000, from a server and from files, into both warehouses, as the stream says.

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;

use crate::millrace::Project;

fn project(server: &MariaDb) -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    Project::of(&[
        ("millrace.yml", manifest.as_str()),
        (".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()).as_str()),
        (
            "data/n.ndjson",
            "{\"id\": 1, \"v\": \"a\\u0000b\"}\n{\"id\": 2, \"v\": \"c\"}\n{\"id\": 3, \"v\": \"\\u0000\"}\n",
        ),
        (
            "models/texts.sql",
            "select id, v, 'server' as source from crm.notes union all select id, v, 'file' from files.n",
        ),
    ])
}

#[test]
fn what_the_stream_says_becomes_of_it() {
    let server = MariaDb::start(&[]);
    server.run(
        "create database shop character set utf8mb4; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
         create table notes (id int primary key, v text); insert into notes values (1, 'a\\0b'), (2, 'c'), (3, '\\0');",
    );
    let project = project(&server);
    let say = |policy: &str| {
        let nul = if policy.is_empty() { String::new() } else { format!(", nul: {policy}") };
        project.write(
            "sources/crm.yml",
            format!(
                "type: mysql\nurl: \"${{CRM_URL}}\"\nstreams: {{notes: {{max_quarantine: 100%{nul}}}}}\n"
            ),
        );
        project.write(
            "sources/files.yml",
            format!("type: ndjson\npath: data/n.ndjson\nstreams: {{n: {{max_quarantine: 100%{nul}}}}}\n"),
        );
    };
    let rows =
        |env| project.rows_in(env, "select source || id || '=' || v as v from texts order by 1").concat();
    say("");
    project.run_json(0, &["--env", "dev"]);
    let kept = "select count(*) from texts where length(v) = 3 and ascii(substr(v, 2)) = 0";
    assert_eq!(project.rows_in("dev", kept), [["2"]]);
    let refused = project.run(&["run", "--env", "prod"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("column `v` has a text with the character U+0000"), "{}", refused.stderr);
    assert!(refused.stderr.contains("nul: strip"), "{}", refused.stderr);
    for env in ["dev", "prod"] {
        say("strip");
        let ended = project.run(&["run", "--env", env]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("2 U+0000 taken out in `v`").count(), 2, "{}", ended.stderr);
        assert_eq!(
            rows(env),
            ["file1=ab", "file2=c", "file3=", "server1=ab", "server2=c", "server3="],
            "{env}"
        );
        say("quarantine");
        project.run_json(0, &["--env", env]);
        assert_eq!(rows(env), ["file2=c", "server2=c"], "{env}");
        let aside = "select file || ':' || line || ':' || column_name || ':' || code as t from _millrace.quarantine order by 1";
        let aside = project.rows_in(env, aside).concat();
        let expected = [
            "data/n.ndjson:1:v:out-of-range",
            "data/n.ndjson:3:v:out-of-range",
            "notes:1:v:out-of-range",
            "notes:3:v:out-of-range",
        ];
        assert_eq!(aside, expected, "{env}");
    }
}
