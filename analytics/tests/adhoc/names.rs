//! Names match whatever their case; a wrong one says where it stands and what was meant.

use model::query::engine::SqlErrorKind;

use crate::fixture::{World, check, check_error};

fn world() -> World {
    let world = World::new();
    world.file("wildrydes/a.json", br#"{"Name":"Shadowfax","StatusTime":"2018-03-18 03:20:00.123","Distance":1.5}"#);
    world.file("wildrydes-summary/a.json", br#"{"Name":"Shadowfax","name":"shadow","n":1}"#);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn unquoted_names_match_in_any_case() {
    let world = world();
    let engine = world.archive_engine();
    let row = &[r#"{"Name":"Shadowfax"}"#];
    for sql in [
        "SELECT Name FROM wildrydes",
        "SELECT name FROM WildRydes",
        "SELECT \"Name\" FROM wildrydes",
        "SELECT w.NAME FROM wildrydes AS W",
        "SELECT WILDRYDES.name FROM wildrydes",
        "WITH x AS (SELECT * FROM wildrydes) SELECT NAME FROM X",
        "SELECT name FROM wildrydes GROUP BY NAME HAVING max(distance) > 1 ORDER BY nAmE",
        "SELECT a.name FROM wildrydes a JOIN wildrydes b USING (NAME)",
        "SELECT name FROM wildrydes WHERE EXISTS (SELECT 1 FROM wildrydes v WHERE v.name = wildrydes.name)",
    ] {
        check(&engine, sql, row).await;
    }
    check(&engine, "SELECT max(distance) AS Peak FROM wildrydes ORDER BY peak", &[r#"{"Peak":1.5}"#]).await;
    check(&engine, "SELECT COUNT(*) AS N FROM wildrydes", &[r#"{"N":1}"#]).await;
    check(&engine, "SELECT \"name\" FROM \"wildrydes-summary\"", &[r#"{"name":"shadow"}"#]).await;
    check(&engine, "SELECT name FROM \"wildrydes-summary\"", &[r#"{"name":"shadow"}"#]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_names_say_where_and_what_was_meant() {
    let world = world();
    let engine = world.archive_engine();
    let error = check_error(
        &engine,
        "SELECT Name,\n  Distanse FROM wildrydes",
        "line 2, column 3: column `Distanse` does not exist; did you mean `Distance`?",
    )
    .await;
    assert_eq!(error.kind, SqlErrorKind::Invalid);
    check_error(
        &engine,
        "SELECT * FROM wildride",
        "line 1, column 15: table `wildride` does not exist; did you mean `wildrydes`?",
    )
    .await;
    check_error(
        &engine,
        "SELECT NAME FROM \"wildrydes-summary\"",
        "line 1, column 8: column `NAME` is ambiguous: `Name` or `name`; put the name you mean in double quotes",
    )
    .await;
    check_error(
        &engine,
        "SELEC 1",
        "line 1, column 1: expected: an SQL statement, found: SELEC; did you mean `SELECT`?",
    )
    .await;
}
