//! Tests of the driver's parts, without a pool.

use crate::driver::clock::{Clock, ManualClock};
use crate::driver::driver::{CallTimer, Driver};
use crate::driver::role::Limit;
use crate::driver::slab::{self, Slab};
use crate::driver::timers::FIRED_MOST;
use crate::driver::wheel::{Due, Key, Wheel};
use crate::parker::Parker;
use crate::rng::Rng;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, thread};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// The portable half compiles and works here, too.
#[cfg(target_os = "linux")]
#[path = "portable.rs"]
mod portable;

fn call(flag: &AtomicUsize) {
    // Relaxed: read by the thread that looks, here and below.
    flag.store(1, Ordering::Relaxed);
}

fn is_called(flag: &AtomicUsize) -> bool {
    // Relaxed: as above.
    flag.load(Ordering::Relaxed) == 1
}

/// A delay in nanoseconds, of any order of magnitude up to an hour, now and then years.
fn delay(rng: &mut Rng) -> u64 {
    let mut bits = || u64::from(rng.below(u32::MAX));
    let wide = bits() << 32 | bits();
    match bits() % 50 {
        0 => wide >> 8,
        _ => wide >> (22 + bits() % 40),
    }
}

/// Random programs against an ordered map: the timer that a look takes out is the earliest one, and
/// it is due; a look that finds nothing leaves nothing that is due; cancelled ones never come.
/// Looks end after a few steps, with timers on their way down, and go on later.
#[test]
fn a_wheel_is_an_ordered_map() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut now = 0;
        let mut wheel = Wheel::new(0);
        let mut model: BTreeMap<(u64, u64), Key> = BTreeMap::new();
        for number in 0..500 {
            match rng.below(5) {
                0 | 1 => {
                    let at = now + delay(&mut rng);
                    let key = wheel.insert(at, (at, number));
                    assert!(model.insert((at, number), key).is_none());
                }
                2 if !model.is_empty() => {
                    let nth = rng.below(u32::try_from(model.len()).unwrap()) as usize;
                    let (&timer, &key) = model.iter().nth(nth).unwrap();
                    model.remove(&timer);
                    assert_eq!(wheel.remove(key), Some(timer), "seed {seed}");
                    assert_eq!(wheel.remove(key), None, "seed {seed}: only once");
                }
                3 => now += delay(&mut rng),
                _ => {
                    for _ in 0..rng.below(40) {
                        let first = model.first_key_value().map(|(timer, _)| timer.0);
                        match wheel.pop_due(now, rng.below(4)) {
                            Due::Timer(timer) => {
                                assert!(timer.0 <= now, "seed {seed}: too early");
                                assert_eq!(Some(timer.0), first, "seed {seed}: out of order");
                                assert!(model.remove(&timer).is_some(), "seed {seed}: again");
                            }
                            Due::Unsettled => {}
                            Due::Nothing => {
                                assert!(first.is_none_or(|at| at > now), "seed {seed}: forgotten");
                            }
                        }
                    }
                }
            }
            let first = model.first_key_value().map(|(timer, _)| timer.0);
            let earliest = wheel.earliest();
            assert_eq!(earliest.is_some(), first.is_some(), "seed {seed}");
            let sleeps_too_long = earliest > first && earliest > Some(now);
            assert!(!sleeps_too_long, "seed {seed}");
            assert_eq!(wheel.len(), model.len(), "seed {seed}");
        }
    }
}

/// Takes out what is due; how many steps that took.
fn drain<T>(wheel: &mut Wheel<T>, now: u64, mut taken: impl FnMut(T)) -> usize {
    let mut steps = 0;
    loop {
        steps += 1;
        match wheel.pop_due(now, 1) {
            Due::Timer(timer) => taken(timer),
            Due::Unsettled => {}
            Due::Nothing => return steps,
        }
    }
}

/// With many timers in one slot, the driver is told the start of that slot, and then the exact
/// instants.
#[test]
fn a_crowded_slot_is_looked_at_when_its_time_has_come() {
    let mut wheel = Wheel::new(0);
    let at = |micros: u64| micros * 1_000;
    for number in 0..1_000 {
        wheel.insert(at(5_000_000 + number), number);
    }
    let (mut looks, mut taken) = (0, Vec::new());
    while let Some(next) = wheel.earliest() {
        looks += 1;
        drain(&mut wheel, next, |number| taken.push(number));
    }
    assert_eq!(taken, (0..1_000).collect::<Vec<_>>());
    assert!((1_000..1_020).contains(&looks), "{looks} looks");
}

/// A timer moves down a level at most ten times, one step each, and most fire from further up.
#[test]
fn a_step_moves_one_timer() {
    const COUNT: usize = 10_000;
    const SECOND: u64 = 1_000_000_000;
    let mut wheel = Wheel::new(0);
    let crowd = 987_654_321;
    for number in 0..COUNT {
        wheel.insert(crowd, number);
    }
    let mut taken = Vec::new();
    let steps = drain(&mut wheel, crowd, |number| taken.push(number));
    assert_eq!(taken, (0..COUNT).collect::<Vec<_>>());
    assert!(steps <= 6 * COUNT, "{steps} steps for one instant");

    let mut rng = Rng::new(7);
    for number in 0..COUNT {
        wheel.insert(crowd + u64::from(rng.below(SECOND as u32)), number);
    }
    let later = crowd + SECOND;
    let steps = drain(&mut wheel, later, |_| {});
    assert!(
        steps <= 4 * COUNT,
        "{steps} steps for instants of one second"
    );
    // Those that are alone in their slot.
    for number in 0..64 {
        wheel.insert(later + 10 * SECOND * (1 + number), 0);
    }
    let steps = drain(&mut wheel, later + 1_000 * SECOND, |_| {});
    assert!(steps <= 3 * 64, "{steps} steps for 64 instants");
}

fn remove_all(wheel: &mut Wheel<usize>, keys: &mut Vec<Key>) {
    for key in keys.drain(..) {
        assert!(wheel.remove(key).is_some());
    }
}

/// What a burst of timers was kept in is given back, whether they fire or are cancelled, and in
/// whatever order; and a page is not allocated and freed again and again.
#[test]
fn memory_is_given_back() {
    const COUNT: usize = 100_000;
    let at = |number: usize| number as u64 * 1_000;
    let mut wheel = Wheel::new(0);
    let mut rng = Rng::new(1);
    let mut fired = Vec::new();
    for round in 0..3 {
        let mut keys: Vec<Key> = (0..COUNT).map(|n| wheel.insert(at(n), n)).collect();
        assert!(wheel.capacity() < COUNT + slab::PAGE);
        // The place of a timer that has fired is that of another one by now.
        assert!(fired.drain(..).all(|key| wheel.remove(key).is_none()));
        match round {
            0 => assert!(drain(&mut wheel, at(COUNT), |_| {}) > COUNT),
            1 => remove_all(&mut wheel, &mut keys),
            _ => {
                // A hundred stay, each in a page of its own if it comes badly.
                while keys.len() > 100 {
                    let nth = rng.below(keys.len() as u32) as usize;
                    wheel.remove(keys.swap_remove(nth));
                }
                assert!(wheel.capacity() <= 101 * slab::PAGE);
                // New ones go to the pages that are there.
                let before = wheel.capacity();
                keys.extend((0..5_000).map(|n| wheel.insert(at(n), n)));
                assert_eq!(wheel.capacity(), before);
                remove_all(&mut wheel, &mut keys);
            }
        }
        fired = keys;
        assert_eq!(wheel.len(), 0);
        assert!(wheel.capacity() <= slab::PAGE, "{}", wheel.capacity());
    }
    let mut slab = Slab::new();
    let numbers: Vec<u32> = (0..=2 * slab::PAGE).map(|n| slab.insert(n)).collect();
    let capacity = slab.capacity();
    assert_eq!(capacity, 3 * slab::PAGE);
    for _ in 0..3 {
        assert_eq!(slab.remove(numbers[2 * slab::PAGE]), Some(2 * slab::PAGE));
        assert_eq!(slab.remove(numbers[2 * slab::PAGE]), None);
        assert_eq!(slab.capacity(), capacity, "one empty page stays");
        assert_eq!(slab.insert(2 * slab::PAGE), numbers[2 * slab::PAGE]);
    }
}

/// What the wakers of a crowd do: it counts, and may set a timer that is due.
struct Crowd {
    driver: Arc<Driver>,
    clock: ManualClock,
    called: AtomicUsize,
    again: bool,
    timers: Mutex<Vec<CallTimer>>,
}

impl Crowd {
    fn set(self: &Arc<Self>, at: Instant) {
        let crowd = Arc::clone(self);
        let timer = self.driver.insert_call(0, at, move || {
            // Neither would be possible under the lock of the wheel.
            // Relaxed: a count, read by the thread that looks.
            crowd.called.fetch_add(1, Ordering::Relaxed);
            crowd.clock.advance(Duration::from_nanos(1));
            if crowd.again {
                crowd.set(at);
            }
        });
        self.timers.lock().push(timer);
    }

    fn called(&self) -> usize {
        // Relaxed: as above.
        self.called.load(Ordering::Relaxed)
    }
}

fn crowd(again: bool, count: usize) -> Arc<Crowd> {
    let clock = ManualClock::new();
    let crowd = Arc::new(Crowd {
        driver: Arc::new(Driver::new(Clock::Manual(clock.clone()), 4, None).unwrap()),
        clock,
        called: AtomicUsize::new(0),
        again,
        timers: Mutex::default(),
    });
    let at = crowd.driver.now() + Duration::from_millis(5);
    for _ in 0..count {
        crowd.set(at);
    }
    crowd.clock.advance(Duration::from_millis(6));
    crowd
}

/// A look at a crowd that is due at one instant ends after a bounded number of wakers, which run
/// with no lock held; each is called, and each once.
#[test]
fn a_look_fires_a_bounded_number_of_timers() {
    const COUNT: usize = 10_000;
    let crowd = crowd(false, COUNT);
    let mut looks = 0;
    while crowd.called() < COUNT {
        let before = crowd.called();
        let _ = crowd.driver.turn();
        assert!(crowd.called() - before <= FIRED_MOST);
        looks += 1;
        assert!(looks < COUNT, "every look gets on");
    }
    let _ = crowd.driver.turn();
    assert_eq!(crowd.called(), COUNT);
    assert_eq!(crowd.driver.timers(), 0);
    crowd.timers.lock().clear();
}

/// A crowd on one seat keeps the timers of the others waiting for a part of a look at most, and
/// each is known by its key, on whichever seat it was set.
#[test]
fn a_crowd_on_one_seat_leaves_the_others_their_turn() {
    let crowd = crowd(false, 10 * FIRED_MOST);
    let others = [1, 2, 3].map(|_| Arc::new(AtomicUsize::new(0)));
    let at = crowd.driver.now();
    let _others = [1, 2, 3].map(|seat| {
        let theirs = Arc::clone(&others[seat - 1]);
        crowd.driver.insert_call(seat, at, move || call(&theirs))
    });
    let cancelled = [0, 1, 2, 3].map(|seat| crowd.driver.insert_call(seat, at, || panic!()));
    let set = crowd.driver.timers();
    drop(cancelled);
    assert_eq!(crowd.driver.timers(), set - 4);
    let _ = crowd.driver.turn();
    assert!(others.iter().all(|other| is_called(other)));
    assert!(crowd.called() < FIRED_MOST);
}

/// The time of the last turn is enough to tell that an instant was over, and a clock of a test
/// tells at once.
#[test]
fn what_was_over_is_known_without_the_clock() {
    let driver = Driver::new(Clock::System, 1, None).unwrap();
    let now = driver.now();
    let _ = driver.tick();
    assert!(driver.was_over(driver.started()) && driver.was_over(now));
    assert!(!driver.was_over(now + Duration::from_secs(3_600)));
    let clock = ManualClock::new();
    let driver = Driver::new(Clock::Manual(clock.clone()), 1, None).unwrap();
    let at = clock.now() + Duration::from_secs(1);
    assert!(!driver.was_over(at));
    clock.advance(Duration::from_secs(1));
    assert!(driver.was_over(at));
}

/// A crowd that is set anew each time, for an instant that is over, keeps no later timer waiting.
#[test]
fn a_crowd_does_not_starve_a_newer_timer() {
    const COUNT: usize = 1_000;
    let crowd = crowd(true, COUNT);
    let newer = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&newer);
    let at = crowd.driver.now();
    let _newer = crowd.driver.insert_call(0, at, move || call(&theirs));
    for _ in 0..2 * (1 + 6 * COUNT / FIRED_MOST) {
        let _ = crowd.driver.turn();
    }
    assert!(is_called(&newer));
    assert!(crowd.called() > COUNT, "the crowd goes on");
    let timers = std::mem::take(&mut *crowd.timers.lock());
    drop(timers);
}

/// A waker that waits for a timer of the same instant keeps nobody else from firing it.
#[test]
fn a_waker_may_wait_for_the_next_one() {
    let crowd = crowd(false, 0);
    let [waits, fired] = [(); 2].map(|()| Arc::new(Parker::new()));
    let (they_wait, they_fired) = (Arc::clone(&waits), Arc::clone(&fired));
    let at = crowd.driver.now();
    let _first = crowd.driver.insert_call(0, at, move || {
        let _ = they_wait.unpark();
        they_fired.park();
    });
    let second = move || {
        let _ = fired.unpark();
    };
    let _second = crowd.driver.insert_call(0, at, second);
    let theirs = Arc::clone(&crowd);
    let other = thread::Builder::new().spawn(move || theirs.driver.turn().1.woken);
    waits.park();
    assert!(crowd.driver.turn().1.woken);
    assert!(other.unwrap().join().unwrap());
    assert_eq!(crowd.driver.timers(), 0);
}

/// A timer that is polled again with the same waker clones none, and with another one lets go of
/// the first.
#[test]
fn a_timer_keeps_one_waker() {
    let driver = Arc::new(Driver::new(Clock::System, 2, None).unwrap());
    let [first, second] = [(); 2].map(|()| Arc::new(Unheard));
    let [of_first, of_second] = [&first, &second].map(|waker| Waker::from(Arc::clone(waker)));
    let counts = || [&first, &second].map(Arc::strong_count);
    let at = driver.now() + Duration::from_secs(3_600);
    let timer = driver.insert_waker(0, at, of_first.clone());
    assert_eq!(counts(), [3, 2]);
    assert!(timer.update(&of_first));
    assert_eq!(counts(), [3, 2]);
    assert!(timer.update(&of_second));
    assert_eq!(counts(), [2, 3]);
    drop(timer);
    assert_eq!(counts(), [2, 2]);
}

struct Unheard;

impl Wake for Unheard {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_manual_clock_fires_exactly() {
    let clock = ManualClock::new();
    let driver = Arc::new(Driver::new(Clock::Manual(clock.clone()), 4, None).unwrap());
    let fired = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&fired);
    clock.advance(Duration::from_micros(1_500));
    let at = driver.now() + Duration::from_millis(5);
    let _timer = driver.insert_call(0, at, move || call(&theirs));
    clock.advance(Duration::from_micros(4_999));
    assert!(!driver.turn().1.woken);
    clock.advance(Duration::from_micros(1));
    assert!(driver.turn().1.woken);
    assert!(is_called(&fired));
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
    assert!(event.key == 7 && event.readable && event.must_say_so);
    system.delete(&ours).unwrap();
    system.notify();
    system.wait(&mut events, Limit::Never, || Clock::System.now());
    assert!(events.iter().count() == 0 && events.notified());
    let at = Clock::System.now() + Duration::from_millis(1);
    system.wait(&mut events, Limit::Until(at), || Clock::System.now());
    system.wait(&mut events, Limit::Now, || Clock::System.now());
    assert!(Clock::System.now() >= at);
}
