//! Policies against a model of them that is too simple to be wrong.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

use crate::auth::access::Caller;
use crate::auth::credential::Credential;
use crate::auth::policy::{Effect, Policy, Statement, Verdict};
use crate::auth::resource_policy::ResourcePolicy;
use crate::auth::secret::Secret;

const ACCOUNT: &str = "000000000000";
const ACTIONS: [&str; 10] = [
    "PutRecord",
    "PutRecords",
    "GetRecords",
    "GetShardIterator",
    "CreateStream",
    "DeleteStream",
    "DescribeStream",
    "ListStreams",
    "ListShards",
    "SubscribeToShard",
];
const STREAMS: [&str; 5] = ["rides", "rides-summary", "trips", "r", "logs.app"];
const PRINCIPALS: usize = 10;

/// Patterns with what they mean, said in code instead of wildcards.
type Meaning = (&'static str, fn(&str) -> bool);
const ACTION_PATTERNS: [Meaning; 6] = [
    ("*", |_| true),
    ("kinesis:*", |_| true),
    ("KINESIS:put*", |action| action.starts_with("Put")),
    ("kinesis:*Stream", |action| action.ends_with("Stream")),
    ("kinesis:GetRecord?", |action| action == "GetRecords"),
    ("dynamodb:*", |_| false),
];
const RESOURCE_PATTERNS: [Meaning; 6] = [
    ("*", |_| true),
    ("arn:aws:kinesis:*:*:stream/rides*", |stream| stream.starts_with("rides")),
    ("arn:aws:kinesis:us-east-1:000000000000:stream/r", |stream| stream == "r"),
    ("arn:aws:kinesis:*:*:stream/*s", |stream| stream.ends_with('s')),
    ("arn:aws:kinesis:eu-*:*:*", |_| false),
    ("arn:aws:kinesis:*:*:stream/????", |stream| stream.len() == 4),
];

struct Rule {
    effect: Effect,
    action: Meaning,
    resource: Meaning,
}

fn rules(random: &mut StdRng) -> Vec<Rule> {
    let count = random.random_range(0..4);
    let rule = |_| Rule {
        effect: if random.random_bool(0.3) { Effect::Deny } else { Effect::Allow },
        action: *ACTION_PATTERNS.choose(random).unwrap(),
        resource: *RESOURCE_PATTERNS.choose(random).unwrap(),
    };
    (0..count).map(rule).collect()
}

fn policy(rules: &[Rule]) -> Policy {
    let statement = |rule: &Rule| Statement {
        effect: rule.effect,
        actions: vec![rule.action.0.parse().unwrap()],
        resources: vec![rule.resource.0.parse().unwrap()],
    };
    Policy::new(rules.iter().map(statement).collect())
}

fn document(rules: &[Rule], name: &str) -> String {
    let statement = |rule: &Rule| {
        serde_json::json!({
            "Sid": "x", "Effect": format!("{:?}", rule.effect), "Action": [rule.action.0], "Resource": rule.resource.0,
            "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:user/{name}")},
        })
    };
    let statements: Vec<_> = rules.iter().map(statement).collect();
    serde_json::json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Explicit denial, else permission, else denial.
fn model(rules: &[&Rule], action: &str, stream: &str) -> bool {
    let fitting = || rules.iter().filter(|rule| rule.action.1(action) && rule.resource.1(stream));
    fitting().all(|rule| rule.effect == Effect::Allow) && fitting().next().is_some()
}

#[test]
fn five_hundred_cells_agree_with_the_model() {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let (mut cells, mut allowed) = (0, 0);
    for i in 0..PRINCIPALS {
        let name = format!("user{i}");
        let own = rules(&mut random);
        let credential = Credential::new(name.as_str(), "KEY", Secret::new("x"), policy(&own));
        let caller = Caller::Principal(Arc::new(credential));
        for stream in STREAMS {
            let granted = if random.random_bool(0.3) { rules(&mut random) } else { Vec::new() };
            let of_stream = ResourcePolicy::parse(&document(&granted, &name)).unwrap();
            let all: Vec<&Rule> = own.iter().chain(&granted).collect();
            let arn = format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{stream}");
            for operation in ACTIONS {
                let action = format!("kinesis:{operation}");
                let verdict = of_stream.verdict(ACCOUNT, &name, &action, &arn);
                let decided = caller.check(ACCOUNT, &action, &arn, verdict);
                let expected = model(&all, operation, stream);
                assert_eq!(decided.is_ok(), expected, "seed {seed}: {name} {action} {stream}: {decided:?}");
                cells += 1;
                allowed += usize::from(expected);
            }
        }
    }
    assert_eq!(cells, 500);
    assert!((1..cells).contains(&allowed), "seed {seed}: the matrix tests nothing");
}

#[test]
fn refusals_say_who_what_and_why() {
    let deny = Statement {
        effect: Effect::Deny,
        actions: vec!["kinesis:DeleteStream".parse().unwrap()],
        resources: vec!["*".parse().unwrap()],
    };
    let credential = Credential::new("alice", "KEY", Secret::new("x"), Policy::new(vec![deny]));
    let caller = Caller::Principal(Arc::new(credential));
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/rides";
    let refused = |action: &str, verdict| caller.check(ACCOUNT, action, arn, verdict).unwrap_err().to_string();
    let who = "User: arn:aws:iam::000000000000:user/alice is not authorized to perform:";
    assert_eq!(
        refused("kinesis:DeleteStream", Verdict::Allowed),
        format!("{who} kinesis:DeleteStream on resource: {arn} with an explicit deny in an identity-based policy")
    );
    assert_eq!(
        refused("kinesis:PutRecord", Verdict::Silent),
        format!(
            "{who} kinesis:PutRecord on resource: {arn} because no identity-based policy allows the kinesis:PutRecord action"
        )
    );
    assert!(refused("kinesis:PutRecord", Verdict::Denied).ends_with("explicit deny in a resource-based policy"));
    assert_eq!(Caller::Anyone.check(ACCOUNT, "kinesis:DeleteStream", arn, Verdict::Denied), Ok(()));
}

#[test]
fn patterns_and_policies_that_cannot_be_meant_are_refused() {
    use crate::auth::policy::{ActionPattern, ResourcePattern};
    for action in ["", "PutRecord", "kinesis:", ":PutRecord"] {
        assert!(action.parse::<ActionPattern>().is_err(), "{action}");
    }
    for resource in ["", "rides", "stream/rides", "arn:aws:kinesis:*:*", "arn:aws:kinesis:::stream/x"] {
        assert!(resource.parse::<ResourcePattern>().is_err(), "{resource}");
    }
    for (document, part) in [
        ("{}", "Statement"),
        (
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"kinesis:*","Resource":"*","Condition":{}}]}"#,
            "Condition",
        ),
        (r#"{"Statement":{"Effect":"Maybe","Principal":"*","Action":"kinesis:*","Resource":"*"}}"#, ""),
        (r#"{"Statement":{"Effect":"Allow","Principal":"me","Action":"kinesis:*","Resource":"*"}}"#, "Principal"),
    ] {
        let refused = ResourcePolicy::parse(document).unwrap_err();
        assert!(refused.contains(part), "{document}: {refused}");
    }
    let root = r#"{"Statement":{"Effect":"EFFECT","Principal":{"AWS":"000000000000"},"Action":"*","Resource":"*"}}"#;
    for (effect, expected) in [("Allow", Verdict::Silent), ("Deny", Verdict::Denied)] {
        let policy = ResourcePolicy::parse(&root.replace("EFFECT", effect)).unwrap();
        assert_eq!(policy.verdict(ACCOUNT, "alice", "kinesis:PutRecord", "arn"), expected);
    }
}
