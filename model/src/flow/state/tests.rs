use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn fault(progressed: bool) -> Event {
    Event::Failed { trouble: Trouble::Fault, message: "panicked".into(), progressed }
}

fn tick(millis: u64, progressed: bool) -> Event {
    Event::Tick { ran: Duration::from_millis(millis), progressed }
}

/// Applies events to a worker that begins, and compares what each leads to.
fn check(steps: &[(Event, FlowState, Action)]) -> Machine {
    let (mut machine, first) = Machine::new(NOW, false);
    assert_eq!((machine.state(), first), (FlowState::Starting, Action::Run));
    for (number, (event, state, action)) in steps.iter().enumerate() {
        let done = machine.apply(NOW, event.clone());
        assert_eq!((machine.state(), done), (*state, *action), "step {number}, {event:?}");
    }
    machine
}

#[test]
fn delays_double_until_the_worker_is_isolated_and_it_is_tried_on() {
    let millis = Duration::from_millis;
    let mut steps = Vec::new();
    for delay in [100, 200, 400, 800, 1600] {
        steps.push((fault(false), FlowState::Retrying, Action::Wait(millis(delay))));
        steps.push((Event::Waited, FlowState::Starting, Action::Run));
    }
    steps.push((fault(false), FlowState::Failed, Action::Wait(ISOLATED_DELAY)));
    steps.push((Event::Waited, FlowState::Failed, Action::Run));
    // It shows nothing yet.
    steps.push((tick(600, false), FlowState::Failed, Action::GoOn));
    steps.push((fault(false), FlowState::Failed, Action::Wait(ISOLATED_DELAY)));
    steps.push((Event::Waited, FlowState::Failed, Action::Run));
    steps.push((tick(250, true), FlowState::Running, Action::GoOn));
    steps.push((fault(true), FlowState::Retrying, Action::Wait(RETRY_DELAY_MIN)));
    let machine = check(&steps);
    assert_eq!((machine.restarts(), machine.failures()), (7, 1));
    assert_eq!(machine.last_error().map(|error| error.message.as_str()), Some("panicked"));
}

#[test]
fn a_worker_with_nothing_to_do_counts_as_working_once_it_lasts() {
    let lasting = u64::try_from(LASTING.as_millis()).expect("seconds");
    let machine = check(&[
        (fault(false), FlowState::Retrying, Action::Wait(RETRY_DELAY_MIN)),
        (Event::Waited, FlowState::Starting, Action::Run),
        (tick(250, false), FlowState::Starting, Action::GoOn),
        (tick(500, false), FlowState::Running, Action::GoOn),
        (tick(lasting, false), FlowState::Running, Action::GoOn),
    ]);
    assert_eq!(machine.failures(), 0);
}

#[test]
fn what_only_a_person_can_mend_is_isolated_at_once_and_an_outage_is_tried_often() {
    let failed = |trouble| Event::Failed { trouble, message: "no".into(), progressed: false };
    check(&[(failed(Trouble::Hopeless), FlowState::Failed, Action::Wait(ISOLATED_DELAY))]);
    let (mut machine, _) = Machine::new(NOW, false);
    let mut last = Action::GoOn;
    for _ in 0..FAILURES_MAX {
        last = machine.apply(NOW, failed(Trouble::Outage));
        machine.apply(NOW, Event::Waited);
    }
    assert_eq!((machine.state(), last), (FlowState::Failed, Action::Wait(OUTAGE_DELAY)));
}

#[test]
fn a_pause_lets_the_worker_end_and_a_resume_starts_it() {
    check(&[
        (tick(500, false), FlowState::Running, Action::GoOn),
        (Event::Pause, FlowState::Running, Action::Cancel),
        (Event::Ended, FlowState::Paused, Action::Rest),
        (Event::Pause, FlowState::Paused, Action::Rest),
        (Event::Resume, FlowState::Starting, Action::Run),
        // A failure while it is asked to pause does not start it again.
        (Event::Pause, FlowState::Starting, Action::Cancel),
        (fault(false), FlowState::Paused, Action::Rest),
        (Event::Waited, FlowState::Paused, Action::GoOn),
        (Event::Stop, FlowState::Stopped, Action::End),
    ]);
    // Resumed before it has ended: it starts again then.
    check(&[
        (Event::Pause, FlowState::Starting, Action::Cancel),
        (Event::Resume, FlowState::Starting, Action::GoOn),
        (Event::Ended, FlowState::Starting, Action::Run),
    ]);
    // One that is isolated is tried at once, with all its tries.
    let hopeless = Event::Failed { trouble: Trouble::Hopeless, message: "no".into(), progressed: false };
    check(&[
        (hopeless, FlowState::Failed, Action::Wait(ISOLATED_DELAY)),
        (Event::Resume, FlowState::Starting, Action::Run),
        (fault(false), FlowState::Retrying, Action::Wait(RETRY_DELAY_MIN)),
    ]);
    let (machine, first) = Machine::new(NOW, true);
    assert_eq!((machine.state(), first), (FlowState::Paused, Action::Rest));
}

#[test]
fn a_lost_place_is_no_failure() {
    let machine = check(&[
        (Event::LostPlace { message: "another".into() }, FlowState::StandingBy, Action::StandBy),
        (Event::Waited, FlowState::Starting, Action::Run),
    ]);
    assert_eq!((machine.failures(), machine.restarts()), (0, 0));
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..20_000_u64, any::<bool>()).prop_map(|(millis, progressed)| tick(millis, progressed)),
        any::<bool>().prop_map(fault),
        Just(Event::LostPlace { message: String::new() }),
        Just(Event::Ended),
        Just(Event::Waited),
        Just(Event::Pause),
        Just(Event::Resume),
        Just(Event::Stop),
    ]
}

proptest! {
    /// Whatever happens: a worker that is paused or stopped is never started, delays have their bounds, and nothing
    /// runs after too many failures without saying so.
    #[test]
    fn promises_hold_in_any_order(events in proptest::collection::vec(any_event(), 1..80)) {
        let (mut machine, mut last) = Machine::new(NOW, false);
        let (mut stopped, mut paused) = (false, false);
        for event in events {
            // The runner says only what can happen: nothing ends that is not at work.
            let ends = matches!(event, Event::Failed { .. } | Event::LostPlace { .. } | Event::Ended);
            if (ends || matches!(event, Event::Tick { .. })) && !machine.at_work {
                continue;
            }
            stopped |= event == Event::Stop;
            paused = event == Event::Pause || (paused && event != Event::Resume);
            last = machine.apply(NOW, event);
            match last {
                Action::Run => prop_assert!(!stopped && !paused),
                Action::Wait(delay) => {
                    prop_assert!(RETRY_DELAY_MIN <= delay && delay <= ISOLATED_DELAY);
                    prop_assert_eq!(machine.state() == FlowState::Failed, delay > RETRY_DELAY_MAX);
                }
                Action::End => prop_assert_eq!(machine.state(), FlowState::Stopped),
                _ => {}
            }
            if FAILURES_MAX <= machine.failures() && !machine.at_work && !paused && !stopped {
                prop_assert_eq!(machine.state(), FlowState::Failed);
            }
        }
        prop_assert!(!stopped || machine.at_work || last == Action::End || machine.state() == FlowState::Stopped);
    }
}
