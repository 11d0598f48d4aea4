//! What is shown, and what the keys change about it.

use crate::rows::{Kind, Row, Sort, rows};
use crate::snapshot::{Snapshot, Worker};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How a worker has spent the time between two snapshots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// Shares of the time, from 0 to 1.
    pub(crate) busy: f64,
    pub(crate) searching: f64,
    /// Each second.
    pub(crate) jobs: f64,
    pub(crate) steals: f64,
    pub(crate) parks: f64,
}

#[derive(Default)]
pub(crate) struct App {
    pub(crate) server: String,
    last: Option<(Instant, Snapshot)>,
    /// The one before, and how long before.
    before: Option<(Duration, Snapshot)>,
    /// Why there was no answer.
    pub(crate) failure: Option<String>,
    pub(crate) sort: Sort,
    pub(crate) filter: String,
    /// The filter is being typed.
    pub(crate) types: bool,
    /// What comes is not shown.
    pub(crate) is_frozen: bool,
    folded: BTreeSet<Kind>,
    selected: usize,
    /// Lines of the tree on the screen, as the last drawing says.
    pub(crate) page: usize,
    quits: bool,
}

impl App {
    pub(crate) fn new(server: String) -> Self {
        Self {
            server,
            ..Self::default()
        }
    }

    pub(crate) fn quits(&self) -> bool {
        self.quits
    }

    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.last.as_ref().map(|(_, snapshot)| snapshot)
    }

    pub(crate) fn came(&mut self, at: Instant, snapshot: Snapshot) {
        self.failure = None;
        if self.is_frozen {
            return;
        }
        if let Some((since, before)) = self.last.replace((at, snapshot)) {
            self.before = Some((at.saturating_duration_since(since), before));
        }
    }

    pub(crate) fn failed(&mut self, why: String) {
        self.failure = Some(why);
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let rows = |snapshot| rows(snapshot, self.sort, &self.filter, &self.folded);
        self.snapshot().map(rows).unwrap_or_default()
    }

    /// The selected line of so many.
    pub(crate) fn selected(&self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.selected.min(count - 1))
    }

    /// How each worker, and then the rest together, has spent the last time.
    pub(crate) fn loads(&self) -> Vec<(Worker, Option<Load>)> {
        let Some(snapshot) = self.snapshot() else {
            return Vec::new();
        };
        let loads = snapshot.everyone().enumerate().map(|(at, worker)| {
            let before = self.before.as_ref();
            let load = before.and_then(|(time, old)| load(*time, old.everyone().nth(at)?, worker));
            (*worker, load)
        });
        loads.collect()
    }

    pub(crate) fn key(&mut self, key: KeyEvent) {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            self.quits = true;
            return;
        }
        match self.types {
            true => self.type_filter(key.code),
            false => self.command(key.code),
        }
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.types = false,
            KeyCode::Esc => {
                self.types = false;
                self.filter.clear();
            }
            KeyCode::Backspace => _ = self.filter.pop(),
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => {}
        }
    }

    fn command(&mut self, code: KeyCode) {
        let rows = self.rows();
        let last = rows.len().saturating_sub(1);
        let at = self.selected(rows.len()).unwrap_or(0);
        match code {
            KeyCode::Char('q') => self.quits = true,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('/') => self.types = true,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('f') => self.is_frozen = !self.is_frozen,
            KeyCode::Down | KeyCode::Char('j') => self.selected = (at + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => self.selected = at.saturating_sub(1),
            KeyCode::PageDown => self.selected = (at + self.page).min(last),
            KeyCode::PageUp => self.selected = at.saturating_sub(self.page),
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = last,
            KeyCode::Enter => {
                if let Some(kind) = rows.into_iter().nth(at).and_then(|row| row.kind) {
                    self.fold(kind);
                }
            }
            _ => {}
        }
    }

    /// Folds the groups of this kind, or unfolds them.
    fn fold(&mut self, kind: Kind) {
        if !self.folded.remove(&kind) {
            self.folded.insert(kind);
        }
    }
}

/// `None` if no time has passed.
fn load(time: Duration, old: &Worker, new: &Worker) -> Option<Load> {
    let seconds = time.as_secs_f64();
    // Counters are read one after the other, so that a share can be a little over.
    let per = |old: u64, new: u64| new.saturating_sub(old) as f64 / seconds;
    let share = |old, new| (per(old, new) / 1e9).min(1.0);
    (seconds > 0.0).then(|| Load {
        busy: share(old.busy_ns, new.busy_ns),
        searching: share(old.searching_ns, new.searching_ns),
        jobs: per(old.jobs, new.jobs),
        steals: per(old.steals, new.steals),
        parks: per(old.parks, new.parks),
    })
}

#[cfg(test)]
mod tests {
    use super::{App, Load};
    use crate::snapshot::{Group, Snapshot, Worker};
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use std::time::{Duration, Instant};

    fn with(jobs: u64, busy_ns: u64, names: &[&str]) -> Snapshot {
        let group = |name: &&str| Group {
            name: Some((*name).to_owned()),
            text: (*name).to_owned(),
            ..Group::default()
        };
        Snapshot {
            groups: names.iter().map(group).collect(),
            workers: vec![Worker {
                jobs,
                busy_ns,
                ..Worker::default()
            }],
            ..Snapshot::default()
        }
    }

    fn press(app: &mut App, keys: &[KeyCode]) {
        for key in keys {
            app.key(KeyEvent::new(*key, KeyModifiers::NONE));
        }
    }

    fn texts(app: &App) -> Vec<String> {
        app.rows().into_iter().map(|row| row.text).collect()
    }

    #[test]
    fn a_load_is_what_was_done_between_two_snapshots() {
        let (mut app, start) = (App::default(), Instant::now());
        app.came(start, with(100, 0, &[]));
        assert_eq!(app.loads()[0].1, None);
        app.came(start + Duration::from_secs(2), with(300, 500_000_000, &[]));
        let expected = Load {
            busy: 0.25,
            searching: 0.0,
            jobs: 100.0,
            steals: 0.0,
            parks: 0.0,
        };
        assert_eq!(app.loads()[0].1, Some(expected));
    }

    #[test]
    fn what_is_frozen_stays() {
        let (mut app, start) = (App::default(), Instant::now());
        app.came(start, with(0, 0, &["old"]));
        press(&mut app, &[KeyCode::Char('f')]);
        app.came(start, with(0, 0, &["new"]));
        assert_eq!(texts(&app), ["- old"]);
        press(&mut app, &[KeyCode::Char('f')]);
        app.came(start, with(0, 0, &["new"]));
        assert_eq!(texts(&app), ["- new"]);
    }

    #[test]
    fn a_filter_is_typed_and_given_up() {
        let mut app = App::default();
        app.came(Instant::now(), with(0, 0, &["queue", "other"]));
        let q = KeyCode::Char('q');
        press(&mut app, &[KeyCode::Char('/'), q, KeyCode::Char('x')]);
        assert!(texts(&app).is_empty() && !app.quits(), "it was typed");
        press(&mut app, &[KeyCode::Backspace, KeyCode::Enter]);
        assert_eq!(texts(&app), ["- queue"]);
        press(&mut app, &[KeyCode::Esc]);
        assert_eq!(texts(&app).len(), 2);
        press(&mut app, &[q]);
        assert!(app.quits());
    }

    #[test]
    fn the_selection_stays_among_the_lines() {
        let mut app = App {
            page: 10,
            ..App::default()
        };
        app.came(Instant::now(), with(0, 0, &["a", "b", "c"]));
        press(&mut app, &[KeyCode::PageDown]);
        assert_eq!(app.selected(3), Some(2));
        app.came(Instant::now(), with(0, 0, &["a"]));
        assert_eq!(app.selected(1), Some(0));
        assert_eq!(app.selected(0), None);
        press(&mut app, &[KeyCode::Up, KeyCode::Enter]);
        assert_eq!(texts(&app), ["+ a"]);
    }
}
