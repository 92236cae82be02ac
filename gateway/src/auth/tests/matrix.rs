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
const FOREIGN: &str = "111122223333";
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

fn document(rules: &[Rule], principal: &str) -> String {
    let statement = |rule: &Rule| {
        serde_json::json!({
            "Sid": "x", "Effect": format!("{:?}", rule.effect), "Action": [rule.action.0], "Resource": rule.resource.0,
            "Principal": {"AWS": principal},
        })
    };
    let statements: Vec<_> = rules.iter().map(statement).collect();
    serde_json::json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Explicit denial, else permission, else denial. From another account, both sides must permit.
fn model(own: &[Rule], granted: &[Rule], foreign: bool, action: &str, stream: &str) -> bool {
    let permits = |rules: &[Rule]| {
        let fitting: Vec<_> = rules.iter().filter(|rule| rule.action.1(action) && rule.resource.1(stream)).collect();
        fitting.iter().all(|rule| rule.effect == Effect::Allow).then_some(!fitting.is_empty())
    };
    match (permits(own), permits(granted)) {
        (None, _) | (_, None) => false,
        (Some(own), Some(granted)) => {
            if foreign {
                own && granted
            } else {
                own || granted
            }
        }
    }
}

#[test]
fn five_hundred_cells_agree_with_the_model() {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let (mut cells, mut allowed) = (0, 0);
    for i in 0..PRINCIPALS {
        let (name, foreign) = (format!("user{i}"), i % 2 == 1);
        let theirs = if foreign { FOREIGN } else { ACCOUNT };
        let own = rules(&mut random);
        let account_id = foreign.then(|| FOREIGN.to_owned());
        let credential = Credential::new(name.as_str(), "KEY", Secret::new("x"), policy(&own));
        let caller = Caller::Principal(Arc::new(Credential { account_id, ..credential }));
        for stream in STREAMS {
            let granted = if random.random_bool(0.6) { rules(&mut random) } else { Vec::new() };
            let everyone = foreign && random.random_bool(0.5);
            let principal = if everyone { FOREIGN.to_owned() } else { format!("arn:aws:iam::{theirs}:user/{name}") };
            let of_stream = ResourcePolicy::parse(&document(&granted, &principal)).unwrap();
            let arn = format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{stream}");
            for operation in ACTIONS {
                let action = format!("kinesis:{operation}");
                let verdict = of_stream.verdict(ACCOUNT, theirs, &name, &action, &arn);
                let decided = caller.check(ACCOUNT, &action, &arn, verdict);
                let expected = model(&own, &granted, foreign, operation, stream);
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
        (r#"{"Version":"2030","Statement":[]}"#, "Version `2030`"),
        (r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":[],"Resource":"*"}}"#, "at least one"),
        (
            r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"kinesis:*","Resource":"arn:aws:kinesis:*:*:stream/${aws:username}"}}"#,
            "has a variable",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"*","Resource":"*"}}"#,
            "",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/reader"},"Action":"*","Resource":"*"}}"#,
            "role/reader` is not `*`, an account or a user",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/*"},"Action":"*","Resource":"*"}}"#,
            "is not `*`, an account or a user",
        ),
        (r#"{"Statement":{"Effect":"Allow","Principal":"me","Action":"kinesis:*","Resource":"*"}}"#, "Principal"),
    ] {
        let refused = ResourcePolicy::parse(document).unwrap_err();
        assert!(refused.contains(part), "{document}: {refused}");
    }
    let of_account = r#"{"Statement":{"Effect":"EFFECT","Principal":{"AWS":"ACCOUNT"},"Action":"*","Resource":"*"}}"#;
    for (effect, account, expected) in [
        ("Allow", ACCOUNT, Verdict::Silent),
        ("Deny", ACCOUNT, Verdict::Denied),
        ("Allow", FOREIGN, Verdict::Allowed),
        ("Deny", FOREIGN, Verdict::Denied),
    ] {
        for principal in [account.to_owned(), format!("arn:aws:iam::{account}:root")] {
            let document = of_account.replace("EFFECT", effect).replace("ACCOUNT", &principal);
            let policy = ResourcePolicy::parse(&document).unwrap();
            assert_eq!(policy.verdict(ACCOUNT, account, "alice", "kinesis:PutRecord", "arn"), expected);
            assert_eq!(policy.verdict(ACCOUNT, "999999999999", "alice", "kinesis:PutRecord", "arn"), Verdict::Silent);
        }
    }
}
