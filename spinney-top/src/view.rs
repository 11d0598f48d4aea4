//! Draws it.

use crate::app::{App, Load};
use crate::snapshot::{Snapshot, Times, Worker};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, List, ListItem, ListState, Paragraph, Row, Table};
use std::time::Duration;

/// Lines of the table of workers at most: what is beyond is not shown.
const WORKERS: usize = 8;

const KEYS: &str = " q quit  / filter  s sort  f freeze  Enter fold  arrows, PgUp, PgDn, Home, End";

pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let workers = app.loads();
    let lines = workers.len().min(WORKERS) + 1;
    let parts = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(lines as u16),
        Constraint::Length(3),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [head, loads, times, tree, foot] = parts.areas(frame.area());
    frame.render_widget(Paragraph::new(title(app)), head);
    frame.render_widget(worker_table(workers), loads);
    if let Some(snapshot) = app.snapshot() {
        frame.render_widget(time_table(snapshot), times);
    }
    draw_tree(frame, app, tree);
    frame.render_widget(Paragraph::new(footer(app)), foot);
}

fn title(app: &App) -> Line<'static> {
    let mut line = Line::from(vec![
        "spinney-top ".bold(),
        Span::raw(app.server.clone()),
        Span::raw("  "),
    ]);
    if let Some(snapshot) = app.snapshot() {
        let tasks: usize = snapshot.groups.iter().map(|group| group.tasks.len()).sum();
        let server = &snapshot.server;
        line.push_span(Span::styled(server.phase.clone(), Color::Green));
        line.push_span(Span::raw(format!(
            "  {} connections  {} requests  {} groups  {tasks} tasks",
            server.open_connections,
            server.requests,
            snapshot.groups.len(),
        )));
        if !snapshot.stalled.is_empty() {
            let stalled = format!("  {} stalled", snapshot.stalled.len());
            line.push_span(stalled.red().bold());
        }
    }
    if app.is_frozen {
        line.push_span("  FROZEN".yellow().bold());
    }
    line
}

fn worker_table(loads: Vec<(Worker, Option<Load>)>) -> Table<'static> {
    let last = loads.len().saturating_sub(1);
    let rows = loads.into_iter().enumerate().map(|(at, (worker, load))| {
        let name = match at == last {
            true => "others".to_owned(),
            false => format!("worker {at}"),
        };
        let mut cells = vec![Cell::from(name)];
        match load {
            Some(load) => {
                cells.push(Cell::from(bar(load.busy)).green());
                cells.push(Cell::from(format!("{:.0} %", load.busy * 100.0)));
                cells.push(Cell::from(format!("{:.0} %", load.searching * 100.0)));
                let rates = [load.jobs, load.steals, load.parks];
                cells.extend(rates.map(|rate| Cell::from(format!("{rate:.0}"))));
            }
            None => cells.extend(["", "-", "-", "-", "-", "-"].map(Cell::from)),
        }
        cells.push(Cell::from(worker.queue.to_string()));
        Row::new(cells)
    });
    let heads = [
        "",
        "",
        "busy",
        "searching",
        "jobs/s",
        "steals/s",
        "parks/s",
        "queue",
    ];
    let widths = [10, 20, 7, 10, 10, 10, 10, 8].map(Constraint::Length);
    Table::new(rows, widths).header(Row::new(heads).dim())
}

/// Twenty cells.
fn bar(share: f64) -> String {
    let full = (share * 20.0).round() as usize;
    "|".repeat(full.min(20))
}

fn time_table(snapshot: &Snapshot) -> Table<'static> {
    let row = |name: &'static str, times: &Times| {
        let quantiles = [
            times.p50_ns,
            times.p90_ns,
            times.p99_ns,
            times.p999_ns,
            times.max_ns,
        ];
        let text = |nanos: Option<u64>| match nanos {
            Some(nanos) => format!("{:.1?}", Duration::from_nanos(nanos)),
            None => "-".to_owned(),
        };
        let cells = quantiles.map(|nanos| Cell::from(text(nanos)));
        let count = Cell::from(times.count.to_string());
        Row::new([Cell::from(name)].into_iter().chain(cells).chain([count]))
    };
    let rows = [
        row("queued", &snapshot.schedule_latency),
        row("polled", &snapshot.poll_time),
    ];
    let heads = ["", "p50", "p90", "p99", "p99.9", "max", "samples"];
    let widths = [10, 10, 10, 10, 10, 10, 10].map(Constraint::Length);
    Table::new(rows, widths).header(Row::new(heads).dim())
}

fn draw_tree(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let rows = app.rows();
    let title = match app.filter.is_empty() {
        true => format!(" {} by {} ", rows.len(), app.sort.text()),
        false => format!(
            " {} by {} with \"{}\" ",
            rows.len(),
            app.sort.text(),
            app.filter
        ),
    };
    let block = Block::bordered().title(title);
    app.page = usize::from(block.inner(area).height);
    let mut state = ListState::default().with_selected(app.selected(rows.len()));
    let items = rows.into_iter().map(|row| match row.kind {
        Some(_) => ListItem::new(row.text).bold(),
        None => ListItem::new(row.text),
    });
    let list = List::new(items)
        .block(block)
        .highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(list, area, &mut state);
}

fn footer(app: &App) -> Line<'static> {
    match (&app.failure, app.types) {
        (_, true) => {
            let typed = format!(
                " filter: {}_  (Enter keeps it, Esc gives it up)",
                app.filter
            );
            typed.yellow().into()
        }
        (Some(why), false) => format!(" {why}").red().into(),
        (None, false) => KEYS.dim().into(),
    }
}
