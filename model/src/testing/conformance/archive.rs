//! What every [`Archive`] promises.

use bytes::Bytes;
use futures::future::join_all;

use crate::archive::store::{Archive, ArchiveError, ObjectName, PutOutcome};

fn name(text: &str) -> ObjectName {
    ObjectName::new(text).expect("a valid name")
}

/// Runs the suite on an empty archive.
pub async fn archive(archive: &dyn Archive) {
    objects_are_whole_and_never_change(archive).await;
    exactly_one_of_racing_puts_creates(archive).await;
    listings_are_by_prefix_and_in_order(archive).await;
    ranges_are_checked(archive).await;
    deleted_objects_are_gone(archive).await;
}

async fn objects_are_whole_and_never_change(archive: &dyn Archive) {
    let object = name("whole/dt=2026-11-01/é object+1.json");
    let put = |body: &'static [u8]| archive.put_if_absent(&object, Bytes::from_static(body));
    assert_eq!(put(b"first").await.expect("put"), PutOutcome::Created);
    assert_eq!(put(b"second").await.expect("put"), PutOutcome::AlreadyThere);
    assert_eq!(archive.get(&object, None).await.expect("get"), "first");
    let empty = name("whole/empty");
    assert_eq!(archive.put_if_absent(&empty, Bytes::new()).await.expect("put"), PutOutcome::Created);
    assert_eq!(archive.get(&empty, None).await.expect("get"), "");
    let missing = archive.get(&name("whole/missing"), None).await;
    assert!(matches!(missing, Err(ArchiveError::NotFound(_))), "{missing:?}");
}

async fn exactly_one_of_racing_puts_creates(archive: &dyn Archive) {
    let object = name("race/object");
    let bodies: Vec<Bytes> = (0..16).map(|i| Bytes::from(format!("body {i}").repeat(1000))).collect();
    let outcomes = join_all(bodies.iter().map(|body| archive.put_if_absent(&object, body.clone()))).await;
    let created: Vec<usize> = outcomes
        .iter()
        .enumerate()
        .filter(|(_, outcome)| matches!(outcome, Ok(PutOutcome::Created)))
        .map(|(i, _)| i)
        .collect();
    assert_eq!(created.len(), 1, "{outcomes:?}");
    assert_eq!(archive.get(&object, None).await.expect("get"), bodies[created[0]]);
}

async fn listings_are_by_prefix_and_in_order(archive: &dyn Archive) {
    for object in ["list/b", "list/a/2", "list/a/1", "list/ab", "listing"] {
        archive.put_if_absent(&name(object), Bytes::from_static(b"xyz")).await.expect("put");
    }
    let names = |prefix: &'static str| async move {
        let listed = archive.list(prefix).await.expect("list");
        assert!(listed.iter().all(|object| object.bytes == 3));
        listed.into_iter().map(|object| object.name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("list/").await, ["list/a/1", "list/a/2", "list/ab", "list/b"]);
    assert_eq!(names("list/a").await, ["list/a/1", "list/a/2", "list/ab"]);
    assert_eq!(names("list/a/").await, ["list/a/1", "list/a/2"]);
    assert!(names("nothing/").await.is_empty());
    let folders = archive.folders().await.expect("folders");
    assert!(folders.is_sorted() && folders.contains(&"list".to_owned()), "{folders:?}");
    assert_eq!(folders.iter().filter(|folder| folder.starts_with("list")).count(), 1, "`listing` is no folder");
}

async fn ranges_are_checked(archive: &dyn Archive) {
    let object = name("range/object");
    archive.put_if_absent(&object, Bytes::from_static(b"0123456789")).await.expect("put");
    assert_eq!(archive.get(&object, Some(2..5)).await.expect("get"), "234");
    assert_eq!(archive.get(&object, Some(0..10)).await.expect("get"), "0123456789");
    assert_eq!(archive.get(&object, Some(10..10)).await.expect("get"), "", "nothing, at a place that is there");
    let beyond = archive.get(&object, Some(11..12)).await;
    assert!(matches!(beyond, Err(ArchiveError::InvalidRange { bytes: 10, .. })), "{beyond:?}");
    let outside = archive.get(&object, Some(5..11)).await;
    assert!(matches!(outside, Err(ArchiveError::InvalidRange { bytes: 10, .. })), "{outside:?}");
}

async fn deleted_objects_are_gone(archive: &dyn Archive) {
    let object = name("delete/object");
    archive.put_if_absent(&object, Bytes::from_static(b"x")).await.expect("put");
    archive.delete(&object).await.expect("delete");
    archive.delete(&object).await.expect("delete of what is not there");
    assert!(matches!(archive.get(&object, None).await, Err(ArchiveError::NotFound(_))));
    let again = archive.put_if_absent(&object, Bytes::from_static(b"y")).await.expect("put");
    assert_eq!(again, PutOutcome::Created);
}
