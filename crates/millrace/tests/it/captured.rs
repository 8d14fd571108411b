//! What was captured of files, and what becomes of it: types grow, what a person chose stays, columns have the names that they are given.

use crate::millrace::Project;

const MANIFEST: (&str, &str) =
    ("millrace.yml", "name: t\nenvironments: {dev: {type: duckdb, path: .millrace/t.duckdb}}\n");

/// Runs a verb that has to end well, and gives what it said.
fn said(project: &Project, arguments: &[&str]) -> String {
    let ended = project.run(arguments);
    assert_eq!(ended.code, 0, "{arguments:?}\n{}", ended.stderr);
    ended.stderr
}

/// Prices of one decimal are captured, and then others come.
fn prices(mode: &str) -> Project {
    let path = if mode == "append" { "data/*.csv" } else { "data/1.csv" };
    let source = format!("type: csv\npath: {path}\nstreams: {{s: {{mode: {mode}, key: [id]}}}}\n");
    let project = Project::of(&[MANIFEST, ("sources/s.yml", &source), ("models/m.sql", "select * from s.s")]);
    let rows = (1..200).map(|id| format!("{id},{id}.5\n")).collect::<Vec<_>>().concat();
    project.write("data/1.csv", format!("id,price\n{rows}"));
    said(&project, &["capture"]);
    assert!(project.read("sources/s.schema.yml").contains("decimal(18,1)"));
    said(&project, &["run"]);
    project
}

#[test]
fn numbers_grow_in_every_mode() {
    for mode in ["full", "append", "upsert"] {
        let project = prices(mode);
        let captured = project.read("sources/s.schema.yml");
        let new = "id,price\n1000,19.99\n1001,n/a\n1002,12345678901234567890\n";
        let file = if mode == "append" { "data/2.csv" } else { "data/1.csv" };
        let sum = |project: &Project| {
            project.rows("select count(*), cast(sum(price) as varchar) from m")[0].clone()
        };
        let run = |what: &str| {
            let ended = project.run(&["run", "--max-quarantine", "1"]);
            assert_eq!(ended.code, 0, "{mode}, {what}: {}", ended.stderr);
            ended.stderr
        };
        if mode == "full" {
            project.write(file, project.read(file) + new.strip_prefix("id,price\n").expect("a header"));
        } else {
            project.write(file, new);
        }
        let stderr = run("it grows");
        assert!(stderr.contains("1 in quarantine"), "{mode}: {stderr}");
        assert!(
            stderr.contains("schema-drift") && stderr.contains("column `price` is now decimal("),
            "{mode}: {stderr}"
        );
        // 1.5 + … + 199.5, and the two.
        assert_eq!(sum(&project), ["201", "12345678901234587909.49"], "{mode}");
        assert_eq!(project.read("sources/s.schema.yml"), captured, "what was captured stays until `capture`");
        // What fits again changes nothing of it, and is still not what was captured.
        if mode == "append" {
            project.write("data/3.csv", "id,price\n2000,1.5\n");
        } else {
            project.write(file, project.read(file) + "2000,1.5\n");
        }
        let stderr = run("it has grown");
        assert!(stderr.contains("column `price` is now decimal("), "{mode}: {stderr}");
        assert_eq!(sum(&project), ["202", "12345678901234587910.99"], "{mode}");
    }
}

#[test]
fn a_contract_may_say_that_numbers_do_not_grow() {
    for (types, code) in [("quarantine", 4), ("freeze", 4)] {
        let project = prices("full");
        let source = project
            .read("sources/s.yml")
            .replace("key: [id]", &format!("key: [id], contract: {{types: {types}}}"));
        project.write("sources/s.yml", source);
        project.write("data/1.csv", project.read("data/1.csv") + "1000,19.99\n");
        assert_eq!(project.run(&["run", "--max-quarantine", "0"]).code, code, "{types}");
    }
}

#[test]
fn capture_keeps_what_holds_and_says_what_it_changes() {
    let project = Project::of(&[
        MANIFEST,
        ("sources/s.yml", "type: csv\npath: data/s.csv\n"),
        ("data/s.csv", "ref,v,day,n\n1.1,1.10,2024-01-01,5\n1.2,1.1,2024-01-02,6\n"),
    ]);
    said(&project, &["capture"]);
    let schema = project.read("sources/s.schema.yml");
    let chosen = schema
        .replace("\"decimal(18,1)\", nullable: false", "text, nullable: true")
        .replace("\"decimal(18,2)\"", "text")
        .replace("n, type: int64", "n, type: \"decimal(20,3)\"")
        .replace("type: date", "type: int32");
    project.write("sources/s.schema.yml", &chosen);
    let words = said(&project, &["capture"]);
    for expected in [
        "column `ref` of stream `s.s` stays text; its values suggest decimal(18,1)",
        "column `v` of stream `s.s` stays text; its values suggest decimal(18,2)",
        "column `n` of stream `s.s` stays decimal(20,3); its values suggest int64",
        "column `day` of stream `s.s` was int32, which does not hold its values, and is now date",
    ] {
        assert!(words.contains(expected), "{words}");
    }
    let kept = chosen.replace("type: int32", "type: date");
    assert_eq!(project.read("sources/s.schema.yml"), kept);
    // A header alone says nothing.
    project.write("data/s.csv", "ref,v,day,n\n");
    said(&project, &["capture"]);
    assert_eq!(project.read("sources/s.schema.yml"), kept);
}

#[test]
fn nothing_is_learnt_of_a_header_alone() {
    let project = Project::of(&[
        MANIFEST,
        ("sources/s.yml", "type: csv\npath: data/s.csv\n"),
        ("data/s.csv", "ref,v\n"),
    ]);
    let words = said(&project, &["capture"]);
    assert!(words.contains("nothing can be learnt of their types"), "{words}");
    assert!(!project.path().join("sources/s.schema.yml").exists());
}

#[test]
fn types_are_chosen_in_the_source() {
    let project = Project::of(&[
        MANIFEST,
        (
            "sources/s.yml",
            "type: csv\npath: data/s.csv\ntypes: {ref: text}\nstreams: {s: {}, t: {types: {n: \"decimal(18,3)\"}}}\n",
        ),
        ("data/s.csv", "ref,n\n1.1,5\n1.10,6\n"),
        ("models/m.sql", "select ref from s.s"),
        ("models/t.sql", "select n from s.t"),
    ]);
    // Without a captured schema, with one, and after it was made anew.
    for round in 0..3 {
        said(&project, &["check"]);
        said(&project, &["run"]);
        assert_eq!(project.rows("select ref from m order by 1"), [["1.1"], ["1.10"]], "round {round}");
        assert_eq!(project.rows("select cast(n as varchar) from t order by 1"), [["5.000"], ["6.000"]]);
        said(&project, &["capture"]);
        assert!(project.read("sources/s.schema.yml").contains("{name: ref, type: text"));
        project.write("data/s.csv", project.read("data/s.csv") + if round == 1 { "" } else { "\n" });
    }
    // What does not fit goes to quarantine, whatever the contract says of numbers.
    project.write(
        "sources/s.yml",
        "type: csv\npath: data/s.csv\ntypes: {n: int8}\nmax_quarantine: 1\n"
            .replace("max_quarantine: 1\n", "defaults: {max_quarantine: 1}\n"),
    );
    project.write("data/s.csv", "ref,n\n1.1,5\n1.10,600\n");
    project.write("models/t.sql", "select 1 as n");
    assert_eq!(project.run_json(0, &[])["streams"][0]["rows_quarantined"], 1);
    for (types, expected) in [
        ("{ref: txt}", "did you mean `text`?"),
        ("{ref: decimal}", "`decimal` is no logical type"),
        ("{reff: text}", "did you mean `ref`?"),
    ] {
        project.write("sources/s.yml", format!("type: csv\npath: data/s.csv\ntypes: {types}\n"));
        let ended = project.run(&["check"]);
        assert_eq!(ended.code, 2, "{types}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{types}: {}", ended.stderr);
    }
}

#[test]
fn a_column_is_called_as_a_person_says() {
    const LONG: &str = "Sur une échelle de 1 à 10, recommanderiez-vous notre boutique à un proche ?";
    let source = format!(
        "type: csv\npath: data/s.csv\nstreams:\n  s:\n    key: [ID]\n    mode: upsert\n    rename: {{\"{LONG}\": recommandation, ID: numero}}\n"
    );
    let project = Project::of(&[
        MANIFEST,
        ("sources/s.yml", "type: csv\npath: data/s.csv\n"),
        ("data/s.csv", &format!("ID,\"{LONG}\"\n1,9\n")),
        ("models/m.sql", "select numero, recommandation from s.s"),
    ]);
    said(&project, &["capture"]);
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 2);
    assert!(checked.stderr.contains(&format!("`rename: {{\"{LONG}\": short_name}}`")), "{}", checked.stderr);
    project.write("sources/s.yml", &source);
    said(&project, &["check"]);
    said(&project, &["run"]);
    project.write("data/s.csv", format!("ID,\"{LONG}\"\n1,10\n2,3\n"));
    said(&project, &["run"]);
    assert_eq!(project.rows("select numero, recommandation from m order by 1"), [["1", "10"], ["2", "3"]]);
    assert!(project.read("sources/s.schema.yml").contains(LONG), "the source's names are captured");
    // Another name later: the rows that there are come along.
    project.write("sources/s.yml", source.replace("recommandation", "note"));
    project.write("models/m.sql", "select numero, note from s.s");
    project.write("data/s.csv", format!("ID,\"{LONG}\"\n3,7\n"));
    said(&project, &["run"]);
    assert_eq!(project.rows("select numero, note from m order by 1"), [["1", "10"], ["2", "3"], ["3", "7"]]);
    for (rename, expected) in [
        ("{Id: numero}", "did you mean `ID`?"),
        ("{ID: \"\"}", "cannot have such a name"),
        (&format!("{{ID: x, \"{LONG}\": X}}"), "would both be called"),
    ] {
        project.write(
            "sources/s.yml",
            format!("type: csv\npath: data/s.csv\nstreams: {{s: {{rename: {rename}}}}}\n"),
        );
        let ended = project.run(&["check"]);
        assert_eq!(ended.code, 2, "{rename}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{rename}: {}", ended.stderr);
    }
}

#[test]
fn a_column_that_two_files_spell_in_two_ways_is_one() {
    let project = Project::of(&[
        MANIFEST,
        ("sources/s.yml", "type: csv\npath: data/*.csv\n"),
        ("data/1.csv", "ID,Montant\n1,5\n"),
        ("data/2.csv", "id,montant\n2,6\n"),
        ("models/m.sql", "select id, montant from s.s"),
    ]);
    // Also without a captured schema.
    said(&project, &["run"]);
    assert_eq!(project.rows("select * from m order by 1"), [["1", "5"], ["2", "6"]]);
    let words = said(&project, &["capture"]);
    assert!(
        words.contains("column `ID` of stream `s.s` is spelled `id` elsewhere; the two are read as one"),
        "{words}"
    );
    project.write("data/3.csv", "Id,MONTANT\n3,7\n");
    said(&project, &["run"]);
    assert_eq!(project.rows("select * from m order by 1"), [["1", "5"], ["2", "6"], ["3", "7"]]);
    project.write("data/3.csv", "Id,id,MONTANT\n3,4,7\n");
    let ended = project.run(&["run"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("would both be called `id`") && ended.stderr.contains("rename:"),
        "{}",
        ended.stderr
    );
    project.write("sources/s.yml", "type: csv\npath: data/*.csv\nstreams: {s: {exclude_columns: [Id]}}\n");
    said(&project, &["run"]);
    assert_eq!(
        project.rows("select * from m order by 1"),
        [["1", "5"], ["2", "6"], ["4", "7"]],
        "of the two, one is left"
    );
}
