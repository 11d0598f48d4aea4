//! Tests of the driver's parts, without a pool.

use crate::driver::clock::{Clock, ManualClock};
use crate::driver::driver::Driver;
use crate::driver::role::Limit;
use crate::driver::wheel::{Action, Key, Wheel};
use crate::rng::Rng;
use crate::sync::{Arc, Mutex};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The portable half compiles and works here, too.
#[cfg(target_os = "linux")]
#[path = "portable.rs"]
mod portable;

type Fired = Arc<Mutex<Vec<u64>>>;

fn note(fired: &Fired, number: u64) -> Action {
    let fired = Arc::clone(fired);
    Action::Call(Box::new(move || fired.lock().push(number)))
}

/// A delay, in microseconds, of any order of magnitude up to 71 minutes, now and then years.
fn delay(rng: &mut Rng) -> Duration {
    let bits = rng.below(33);
    let micros = u64::from(rng.below(u32::MAX)) & ((1 << bits) - 1);
    if rng.below(50) == 0 {
        return Duration::from_secs(micros * 1_000);
    }
    Duration::from_micros(micros)
}

/// Random programs against an ordered map: each timer fires once, at the first look at or after its
/// instant, those of one look in order; cancelled ones never do.
#[test]
fn a_wheel_is_an_ordered_map() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let base = Clock::System.now();
        let mut now = base;
        let mut wheel = Wheel::new(base);
        let mut model: BTreeMap<(Instant, u64), Key> = BTreeMap::new();
        let fired: Fired = Arc::new(Mutex::new(Vec::new()));
        for number in 0..300 {
            match rng.below(4) {
                0 | 1 => {
                    let at = now + delay(&mut rng);
                    let key = wheel.insert(at, note(&fired, number));
                    assert!(model.insert((at, number), key).is_none());
                }
                2 if !model.is_empty() => {
                    let nth = rng.below(u32::try_from(model.len()).unwrap()) as usize;
                    let (&at, &key) = model.iter().nth(nth).unwrap();
                    model.remove(&at);
                    assert!(wheel.remove(key).is_some(), "seed {seed}: cancelled once");
                    assert!(wheel.remove(key).is_none(), "seed {seed}: and only once");
                }
                _ => {
                    now += delay(&mut rng);
                    while let Some(action) = wheel.pop_due(now) {
                        action.run();
                    }
                    let mut due = Vec::new();
                    while let Some(entry) = model.first_entry() {
                        if entry.key().0 > now {
                            break;
                        }
                        due.push(*entry.key());
                        entry.remove();
                    }
                    let mut got = std::mem::take(&mut *fired.lock());
                    // Equal instants have no order.
                    got.sort_by_key(|number| due.iter().find(|entry| entry.1 == *number));
                    let due: Vec<u64> = due.into_iter().map(|entry| entry.1).collect();
                    assert_eq!(got, due, "seed {seed}");
                }
            }
            let first = model.first_key_value().map(|(key, _)| key.0);
            let earliest = wheel.earliest();
            assert_eq!(earliest.is_some(), first.is_some(), "seed {seed}");
            assert!(
                earliest <= first,
                "seed {seed}: the driver would sleep too long"
            );
            assert_eq!(wheel.is_empty(), model.is_empty(), "seed {seed}");
        }
    }
}

/// With many timers in one slot, the driver is told the start of that slot, and then the exact
/// instants.
#[test]
fn a_crowded_slot_is_looked_at_when_its_time_has_come() {
    let base = Clock::System.now();
    let mut wheel = Wheel::new(base);
    let fired: Fired = Arc::new(Mutex::new(Vec::new()));
    let at = |micros| base + Duration::from_micros(micros);
    for number in 0..1_000 {
        wheel.insert(at(5_000_000 + number), note(&fired, number));
    }
    let mut looks = 0;
    while let Some(next) = wheel.earliest() {
        looks += 1;
        while let Some(action) = wheel.pop_due(next) {
            action.run();
        }
    }
    assert_eq!(*fired.lock(), (0..1_000).collect::<Vec<_>>());
    assert!((1_000..1_010).contains(&looks), "{looks} looks");
}

#[test]
fn a_manual_clock_fires_exactly() {
    let clock = ManualClock::new();
    let driver = Arc::new(Driver::new(Clock::Manual(clock.clone())).unwrap());
    let fired: Fired = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&fired);
    clock.advance(Duration::from_micros(1_500));
    let call = Box::new(move || theirs.lock().push(1));
    let _timer = driver.insert_call(driver.now() + Duration::from_millis(5), call);
    clock.advance(Duration::from_micros(4_999));
    assert!(!driver.turn().1.woken);
    clock.advance(Duration::from_micros(1));
    assert!(driver.turn().1.woken);
    assert_eq!(*fired.lock(), [1]);
    assert_eq!(driver.coarse_millis(), 6);
}

#[test]
#[cfg(target_os = "linux")]
fn the_portable_half_waits_and_is_notified() {
    let system = portable::System::new().unwrap();
    let mut events = portable::Events::default();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    system.add(&ours, 7).unwrap();
    theirs.write_all(b"x").unwrap();
    system.wait(&mut events, Limit::Never, || Clock::System.now());
    let event = events.iter().next().unwrap();
    assert!(event.key == 7 && event.readable && event.ended);
    system.delete(&ours).unwrap();
    system.notify();
    system.wait(&mut events, Limit::Never, || Clock::System.now());
    assert_eq!(events.iter().count(), 0);
    let at = Clock::System.now() + Duration::from_millis(1);
    system.wait(&mut events, Limit::Until(at), || Clock::System.now());
    system.wait(&mut events, Limit::Now, || Clock::System.now());
    assert!(Clock::System.now() >= at);
}
