//! What the seam promises of every engine.

use model::testing::conformance::sql_engine;

use crate::fixture::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_keeps_the_promises() {
    let world = World::new();
    let stream = world.stream("rides", 1).await;
    world.put(&stream, "a", r#"{"Name":"Shadowfax","Distance":1.5,"at":1}"#).await;
    let engine = world.engine();
    sql_engine(&engine, "SELECT * FROM rides", "SELECT speed FROM rides").await;
    sql_engine(
        &engine,
        "SELECT Name, count(*) AS n, sum(Distance) / 2, 'text' AS t, now() AS at FROM rides GROUP BY Name",
        "SELECT * FROM other",
    )
    .await;
    sql_engine(&engine, "SHOW TABLES", "DROP TABLE rides").await;
    sql_engine(&engine, "DESCRIBE rides", "DESCRIBE other").await;
}
