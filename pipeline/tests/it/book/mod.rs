//! The README, the book and the examples are followed to the letter.
//!
//! Every block of code is typed in an empty folder, and the output is compared with what the page
//! shows; `page` lists the marks of blocks. Links, anchors and the list of chapters are checked
//! too. mdBook only makes HTML (`make book`) and checks little.

mod expectation;
mod page;
mod reader;
mod reference;
mod structure;

use std::time::Duration;

use crate::book::reader::Reader;

/// What the tutorial promises: so many commands, and so much of a machine's time apart from waiting
/// for windows to close.
const TUTORIAL_COMMANDS_MAX: usize = 15;
const TUTORIAL_MACHINE_MAX: Duration = Duration::from_secs(60);

/// Pages that are followed one after the other in one folder, by the test's name. Everybody who
/// shows code is in one.
macro_rules! followed {
    ($($test:ident: $pages:expr;)*) => {
        $(#[tokio::test]
        async fn $test() {
            let effort = Reader::new().follow(&$pages).await;
            println!("{:?}: {effort:.1?}", $pages);
        })*

        #[test]
        fn every_page_with_code_is_followed() {
            let mut followed: Vec<&str> = [&TUTORIAL[..], &page::ELSEWHERE].concat();
            $(followed.extend($pages);)*
            let shows_code = |name: &String| !page::Page::read(name).blocks.is_empty();
            let pages = structure::pages();
            let left_out: Vec<_> = pages.iter().filter(|name| shows_code(name) && !followed.contains(&name.as_str())).collect();
            assert!(left_out.is_empty(), "nobody follows {left_out:?}");
        }
    };
}

const TUTORIAL: [&str; 5] = [
    "docs/tutorial/README.md",
    "docs/tutorial/stream.md",
    "docs/tutorial/aggregate.md",
    "docs/tutorial/table.md",
    "docs/tutorial/archive.md",
];

followed! {
    the_readme_works: ["README.md"];
    examples_work: ["examples/orders/README.md", "examples/access-log/README.md", "examples/sensors/README.md"];
    running_a_server_works: ["docs/how-to/run.md"];
    the_tutorial_works_with_clients_of_aws: ["docs/tutorial/aws.md"];
    producers_work: ["docs/how-to/producers.md"];
    own_queries_work: ["docs/how-to/query.md"];
    continuous_sql_works: ["docs/reference/continuous-sql.md"];
    flows_come_and_go: ["docs/how-to/flows.md"];
    credentials_work: ["docs/how-to/security.md", "docs/SECURITY.md"];
    the_dashboard_works: ["docs/how-to/dashboard.md"];
    monitoring_works: ["docs/how-to/monitoring.md"];
    backups_work: ["docs/how-to/backup.md"];
    damage_is_repaired: ["docs/how-to/damage.md"];
    sensors_work: ["docs/SENSORS.md", "docs/NETWORK-CARDS.md"];
    reference_pages_work: ["CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/FORMATS.md", "docs/reference/command-line.md"];
}

#[tokio::test]
async fn the_tutorial_takes_few_commands_and_little_time() {
    let effort = Reader::new().follow(&TUTORIAL).await;
    println!("the tutorial: {effort:.1?}");
    assert!(effort.commands <= TUTORIAL_COMMANDS_MAX, "{effort:?}");
    assert!(effort.machine <= TUTORIAL_MACHINE_MAX, "{effort:?}");
}
