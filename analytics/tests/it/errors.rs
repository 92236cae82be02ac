//! What users are told before anything runs.

use analytics::continuous::query::{ContinuousQuery, QueryOptions};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::golden::Case;

const SOURCE: &str =
    "CREATE STREAM \"S\" (\"Name\" VARCHAR(16), \"Distance\" DOUBLE);\nCREATE STREAM \"OUT\" (\"n\" BIGINT);\n";

#[track_caller]
fn check(query: &str, expected: &str) {
    let sql = format!("{SOURCE}CREATE PUMP \"P\" AS INSERT INTO \"OUT\"\n{query};");
    let error = ContinuousQuery::prepare(&"q".parse().unwrap(), &sql, QueryOptions::default()).unwrap_err().to_string();
    assert!(error.contains(expected), "{query}\n  says     {error}\n  not      {expected}");
}

#[test]
fn refusals_name_the_place_and_the_way_out() {
    check("SELECT STREAM COUNT(*) FROM \"S\" GROUP BY \"Name\"", "line 4, column 42: GROUP BY has no window");
    check("SELECT STREAM COUNT(*) FROM \"S\"", "GROUP BY has no window");
    check(
        "SELECT STREAM COUNT(*) FROM \"S\" JOIN \"T\" ON TRUE GROUP BY FLOOR(\"S\".ROWTIME TO MINUTE)",
        "line 4, column 33: JOIN",
    );
    check("SELECT STREAM COUNT(*) OVER (PARTITION BY \"Name\") FROM \"S\"", "sliding window has no bounds");
    check("SELECT STREAM COUNT(*) FROM \"S\" WINDOWED BY STAGGER (PARTITION BY \"Name\")", "has no RANGE");
    check(
        "SELECT STREAM COUNT(*) FROM \"S\" GROUP BY FLOOR(ROWTIME TO MINUTE) ORDER BY 1",
        "ORDER BY is not supported",
    );
    check("SELECT STREAM COUNT(*) FROM \"S\" GROUP BY FLOOR(ROWTIME TO MINUTE) LIMIT 1", "LIMIT is not supported");
    check("SELECT STREAM DISTINCT \"Name\" FROM \"S\" GROUP BY FLOOR(ROWTIME TO MINUTE)", "SELECT DISTINCT");
    check("SELECT STREAM approx_median(\"Distance\") FROM \"S\" GROUP BY FLOOR(ROWTIME TO MINUTE)", "use median");
    check("SELECT STREAM COUNT(*) FROM \"S\" GROUP BY FLOOR(ROWTIME TO FORTNIGHT)", "unknown unit of time `FORTNIGHT`");
}

#[test]
fn wrong_names_and_counts_are_told() {
    check(
        "SELECT STREAM SUM(\"Distanc\") FROM \"S\" GROUP BY FLOOR(ROWTIME TO MINUTE)",
        "line 4, column 19: no column `Distanc` in stream `S`; did you mean \"Distance\"?",
    );
    check(
        "SELECT STREAM 1, COUNT(*) FROM \"S\" GROUP BY FLOOR(ROWTIME TO MINUTE)",
        "1 columns of stream `OUT` are given 2",
    );
    check("SELECT STREAM summ(\"Distance\") FROM \"S\" GROUP BY FLOOR(ROWTIME TO MINUTE)", "summ");
}

#[test]
fn other_statements_are_refused() {
    let error = ContinuousQuery::prepare(&"q".parse().unwrap(), "DROP TABLE x", QueryOptions::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("line 1, column 1: a continuous query cannot contain a `DROP` statement"),
        "{error}"
    );
}

#[test]
fn pumps_and_streams_get_their_names() {
    let case = Case::named("per-minute");
    let golden = case.section("sql");
    let options = QueryOptions {
        streams: [("SOURCE_SQL_STREAM_001".to_owned(), "wildrydes".parse().unwrap())].into(),
        ..QueryOptions::default()
    };
    let names = |sql: &str| -> Vec<String> {
        let queries = ContinuousQuery::prepare(&"rides".parse().unwrap(), sql, options.clone()).unwrap();
        queries.iter().map(|query| format!("{}: {} to {}", query.name(), query.source(), query.output())).collect()
    };
    assert_eq!(names(golden), ["rides: wildrydes to DESTINATION_SQL_STREAM"]);
    let undeclared = &golden[golden.find("CREATE OR REPLACE STREAM \"DESTINATION").unwrap()..];
    assert_eq!(names(undeclared), ["rides: wildrydes to DESTINATION_SQL_STREAM"]);
    let second = "CREATE PUMP p2 AS INSERT INTO \"minutes\" SELECT STREAM ROWTIME, COUNT(*) AS n
        FROM SOURCE_SQL_STREAM_001 GROUP BY FLOOR(SOURCE_SQL_STREAM_001.ROWTIME TO MINUTE);";
    let both = format!("{golden}{second}");
    assert_eq!(
        names(&both),
        ["rides.STREAM_PUMP: wildrydes to DESTINATION_SQL_STREAM", "rides.P2: wildrydes to minutes"]
    );
}

#[test]
fn a_chain_is_planned_up_to_the_bound_and_refused_by_name_beyond_it() {
    let query = |links: usize| {
        let chain = " + 1".repeat(links);
        format!("SELECT STREAM COUNT(*){chain} FROM \"S\" GROUP BY FLOOR(\"S\".ROWTIME TO MINUTE)")
    };
    // The dot before ROWTIME is one too.
    let sql = format!("{SOURCE}CREATE PUMP \"P\" AS INSERT INTO \"OUT\"\n{};", query(511));
    ContinuousQuery::prepare(&"q".parse().unwrap(), &sql, QueryOptions::default()).expect("as long as may be");
    for links in [512, 5_000, 100_000] {
        check(&query(links), "the query chains or nests more than 512 operators; use IN");
    }
    let nested = format!("SELECT STREAM COUNT({}1{}) FROM \"S\"", "(".repeat(400), ")".repeat(400));
    check(&format!("{nested} GROUP BY FLOOR(ROWTIME TO MINUTE)"), "nested");
}

/// Words, signs and letters of texts, so that each change makes another text of the same kind.
fn pieces(sql: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for c in sql.chars() {
        match pieces.last_mut() {
            Some(last) if c.is_alphanumeric() && last.chars().all(char::is_alphanumeric) => last.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    pieces
}

#[test]
fn no_text_ends_the_server() {
    let texts: Vec<String> = Case::all().iter().map(|case| case.section("sql").to_owned()).collect();
    let all: Vec<String> = texts.iter().flat_map(|text| pieces(text)).collect();
    let mut wrong = 0;
    for seed in 0..1500_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut changed = pieces(texts.choose(&mut random).unwrap());
        for _ in 0..random.random_range(1..4) {
            let place = random.random_range(0..changed.len());
            match random.random_range(0..4) {
                0 => drop(changed.remove(place)),
                1 => changed.insert(place, all.choose(&mut random).unwrap().clone()),
                2 => changed[place] = all.choose(&mut random).unwrap().clone(),
                _ => changed.truncate(place + 1),
            }
        }
        let sql = changed.concat();
        let prepare = || ContinuousQuery::prepare(&"q".parse().unwrap(), &sql, QueryOptions::default());
        let prepared = std::panic::catch_unwind(prepare);
        let prepared = prepared.unwrap_or_else(|_| panic!("seed {seed} panics: {sql}"));
        if let Err(error) = prepared {
            wrong += 1;
            let text = error.to_string();
            assert!(!text.is_empty() && !text.to_lowercase().contains("internal error"), "seed {seed}: {text}\n{sql}");
        }
    }
    assert!(wrong > 500, "{wrong}");
}
