//! Draws the figures of a file as bars of ratios: to the right of 1 spinney is faster, to the left
//! it is slower.
//!
//! ```sh
//! cargo run --release -p versus --bin plot           # docs/speed.tsv to docs/speed.svg
//! cargo run --release -p versus --bin plot -- --table  # the figures as a table of Markdown
//! ```
//!
//! The same file gives the same picture. Of what a peer can do in more than one way the picture has
//! that in which it is fastest; the table has all.

use clap::Parser;
use figures::{Figure, Figures, Scale, Spread};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Pictures of dated figures.
#[derive(Debug, Parser)]
struct Arguments {
    /// What `--save` has written.
    #[arg(long, default_value = "docs/speed.tsv")]
    from: PathBuf,
    /// The picture.
    #[arg(long, default_value = "docs/speed.svg")]
    to: PathBuf,
    /// A table to the standard output instead of the picture.
    #[arg(long)]
    table: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = Figures::read(&arguments.from)
        .map_err(Into::into)
        .and_then(|figures| {
            if arguments.table {
                io::stdout().write_all(table(&figures).as_bytes())?;
                Ok(())
            } else {
                draw(&figures, &arguments.to)
            }
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "plot: {}: {error}", arguments.from.display());
            ExitCode::FAILURE
        }
    }
}

/// One peer in one case: the figures of a run, wall before CPU time, the median before the tail.
struct Row<'f> {
    /// The case, where its first peer stands.
    head: Option<&'f str>,
    peer: &'f str,
    figures: Vec<&'f Figure>,
}

impl Row<'_> {
    /// What it is ordered by: the smaller, the worse for spinney.
    fn best(&self) -> f64 {
        let ratios = self.figures.iter().map(|figure| figure.ratio.median);
        ratios.fold(f64::INFINITY, f64::min)
    }
}

/// A library: `tokio Vec` is a way to use tokio.
fn library(peer: &str) -> &str {
    peer.split(' ').next().unwrap_or(peer)
}

/// Of each case a row for each library.
fn rows(figures: &[Figure]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut rest = figures;
    while let Some(first) = rest.first() {
        let same = |one: &&Figure| one.case == first.case;
        let (case, others) = rest.split_at(rest.iter().take_while(same).count());
        rest = others;
        let mut of_case: Vec<Row<'_>> = Vec::new();
        for way in ways(case) {
            let known = |row: &Row<'_>| library(row.peer) == library(way.peer);
            match of_case.iter().position(known) {
                Some(at) if way.best() < of_case[at].best() => of_case[at] = way,
                Some(_) => {}
                None => of_case.push(way),
            }
        }
        if let Some(row) = of_case.first_mut() {
            row.head = Some(&first.case);
        }
        rows.extend(of_case);
    }
    rows
}

/// A row for each peer of one case, in order.
fn ways(case: &[Figure]) -> Vec<Row<'_>> {
    let mut ways: Vec<Row<'_>> = Vec::new();
    for figure in case {
        match ways.last_mut() {
            Some(row) if row.peer == figure.peer => row.figures.push(figure),
            _ => ways.push(Row {
                head: None,
                peer: &figure.peer,
                figures: vec![figure],
            }),
        }
    }
    ways
}

// All colours have about the same contrast to white and to black.
const TEXT: RGBColor = RGBColor(0x76, 0x7c, 0x86);
const FAINT: RGBAColor = RGBAColor(0x76, 0x7c, 0x86, 0.3);
const FASTER: RGBColor = RGBColor(0x2f, 0x86, 0xd1);
const SLOWER: RGBColor = RGBColor(0xd9, 0x5f, 0x0e);
const WIDTH: u32 = 880;
/// Where the bars begin, and how far the rows lie apart.
const LEFT: i32 = 285;
const RIGHT: i32 = 20;
const TOP: i32 = 92;
const ROW: i32 = 17;
const BOTTOM: i32 = 66;

type Area<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<LogCoord<f64>, RangedCoordf64>>;

fn draw(figures: &Figures, to: &Path) -> Result<(), Box<dyn Error>> {
    let rows = rows(&figures.all);
    let height = TOP + ROW * i32::try_from(rows.len())? + BOTTOM;
    let root = SVGBackend::new(to, (WIDTH, u32::try_from(height)?)).into_drawing_area();
    let write = |text: &str, size: i32, at: (i32, i32), side: HPos| {
        // The library reckons a size from the lowest to the highest point of a font.
        let style = ("sans-serif", f64::from(size) * 1.24).into_font();
        let style = style.color(&TEXT);
        let style = style.pos(Pos::new(side, VPos::Center));
        root.draw(&Text::new(text.to_owned(), at, style))
    };

    write(
        "spinney beside tokio, async-executor with async-io, rayon: theirs / ours",
        18,
        (10, 18),
        HPos::Left,
    )?;
    write(&about(figures), 12, (10, 40), HPos::Left)?;
    let command = "cargo run --release -p versus -- --save docs/speed.tsv   \
                   (web: --bin web, picture: --bin plot)";
    write(command, 12, (10, 57), HPos::Left)?;
    for (at, colour, text) in [
        (LEFT, &SLOWER, "spinney is slower"),
        (LEFT + 150, &FASTER, "spinney is faster"),
    ] {
        let mark = [(at, 70), (at + 12, 82)];
        root.draw(&Rectangle::new(mark, colour.filled()))?;
        write(text, 12, (at + 18, 76), HPos::Left)?;
    }
    let text = "times as much as spinney takes (memory: one bar; web: a server process of its own)";
    write(text, 12, (LEFT, height - 28), HPos::Left)?;
    let text = "upper bar: wall time, or p50 of a delay; lower, paler: CPU time, or p99; \
                thin line: half of the rounds lie there";
    write(text, 12, (10, height - 10), HPos::Left)?;

    let (low, high) = range(&rows);
    let x = (low..high).log_scale();
    let area: Area<'_> = root
        .clone()
        .margin(TOP, BOTTOM, LEFT, RIGHT)
        .apply_coord_spec(Cartesian2d::<LogCoord<f64>, RangedCoordf64>::new(
            x,
            0.0..rows.len() as f64,
            (LEFT..i32::try_from(WIDTH)? - RIGHT, TOP..height - BOTTOM),
        ));
    grid(&area, low, high, rows.len() as f64)?;
    for decade in decades(low, high) {
        let (at, _) = area.map_coordinate(&(decade, 0.0));
        write(
            &decade.to_string(),
            12,
            (at, height - BOTTOM + 14),
            HPos::Center,
        )?;
    }
    for (index, row) in rows.iter().enumerate() {
        let middle = TOP + ROW * i32::try_from(index)? + ROW / 2;
        if let Some(head) = row.head {
            write(head, 12, (10, middle), HPos::Left)?;
        }
        write(row.peer, 12, (LEFT - 8, middle), HPos::Right)?;
        bars(&area, (low, high), index as f64, row)?;
    }
    root.present()?;
    Ok(())
}

/// The first line under the title: dates, machine, and how busy others kept it.
fn about(figures: &Figures) -> String {
    let dates = figures.all.iter().map(|figure| figure.stamp.date.as_str());
    let (first, last) = (dates.clone().min(), dates.max());
    let dates = match (first, last) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(day), _) => day.to_owned(),
        (None, _) => "no figures".to_owned(),
    };
    let loads = figures.all.iter().map(|figure| figure.stamp.load);
    let (least, most) = loads.fold((f64::INFINITY, 0.0_f64), |(least, most), load| {
        (least.min(load), most.max(load))
    });
    format!(
        "{dates}; {}; load by others {least:.0} to {most:.0}",
        figures.machine
    )
}

/// Whole decades around all bars; the whiskers may leave.
fn range(rows: &[Row<'_>]) -> (f64, f64) {
    let ratios = rows.iter().flat_map(|row| &row.figures);
    let ratios = ratios.map(|figure| figure.ratio.median);
    let (low, high) = ratios.fold((0.5_f64, 2.0_f64), |(low, high), ratio| {
        (low.min(ratio), high.max(ratio))
    });
    (
        10_f64.powf(low.log10().floor()),
        10_f64.powf(high.log10().ceil()),
    )
}

fn decades(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let exponents = low.log10().round() as i32..=high.log10().round() as i32;
    exponents.map(|exponent| 10_f64.powi(exponent))
}

/// Lines at whole decades, a strong one at 1, and faint ones between them.
fn grid(area: &Area<'_>, low: f64, high: f64, end: f64) -> Result<(), Box<dyn Error>> {
    for decade in decades(low, high) {
        let line = if decade == 1.0 {
            TEXT.stroke_width(2)
        } else {
            FAINT.stroke_width(1)
        };
        area.draw(&PathElement::new([(decade, 0.0), (decade, end)], line))?;
        for part in [2.0, 5.0] {
            let at = decade * part;
            if at < high {
                area.draw(&PathElement::new([(at, 0.0), (at, end)], FAINT.mix(0.3)))?;
            }
        }
    }
    Ok(())
}

/// The figures of one row, one below the other, each with the quartiles of its rounds.
fn bars(
    area: &Area<'_>,
    (least, most): (f64, f64),
    top: f64,
    row: &Row<'_>,
) -> Result<(), Box<dyn Error>> {
    let share = 0.8 / row.figures.len() as f64;
    for (index, figure) in row.figures.iter().enumerate() {
        let ratio = figure.ratio;
        let colour = if ratio.median < 1.0 { SLOWER } else { FASTER };
        let colour = colour.mix(if index == 0 { 1.0 } else { 0.55 });
        let begin = top + 0.1 + share * index as f64;
        let corners = [(1.0, begin), (ratio.median, begin + share)];
        area.draw(&Rectangle::new(corners, colour.filled()))?;
        if ratio.low < ratio.high {
            let middle = begin + share / 2.0;
            let ends = [ratio.low.max(least), ratio.high.min(most)].map(|end| (end, middle));
            area.draw(&PathElement::new(ends, TEXT))?;
        }
    }
    Ok(())
}

/// A line for each case and peer; what is slower is bold.
fn table(figures: &Figures) -> String {
    let mut text =
        "| case | peer | spinney | theirs / ours | spinney | theirs / ours |\n|---|---|---|---|---|---|\n"
            .to_owned();
    let mut rest = &figures.all[..];
    while let Some(first) = rest.first() {
        let same = |one: &&Figure| (&one.case, &one.peer) == (&first.case, &first.peer);
        let (row, others) = rest.split_at(rest.iter().take_while(same).count());
        rest = others;
        let _ = write!(text, "| `{}` | {} ", first.case, first.peer);
        for at in 0..2 {
            text += &row.get(at).map_or("| | ".to_owned(), cells);
        }
        text += "|\n";
    }
    text
}

fn cells(figure: &Figure) -> String {
    let Spread { low, median, high } = figure.ratio;
    let ratio = match median < 1.0 {
        true => format!("**{}**", short(median)),
        false => short(median),
    };
    let spread = match low < high {
        true => format!(" ({} to {})", short(low), short(high)),
        false => String::new(),
    };
    format!("| {} | {ratio}{spread} ", value(figure))
}

/// Two or three digits that say something.
fn short(ratio: f64) -> String {
    match ratio {
        10.0.. => format!("{ratio:.0}"),
        0.095.. => format!("{ratio:.2}"),
        _ => format!("{ratio:.3}"),
    }
}

/// spinney's own median, and what it is.
fn value(figure: &Figure) -> String {
    let (ours, scale) = (figure.ours, figure.scale.name());
    match figure.scale {
        Scale::Bytes if ours < 1e5 => format!("{ours:.0} bytes"),
        Scale::Bytes => format!("{:.1} MB", ours / 1e6),
        _ if ours < 1e4 => format!("{scale} {ours:.0} ns"),
        _ if ours < 1e7 => format!("{scale} {:.0} us", ours / 1e3),
        _ => format!("{scale} {:.1} ms", ours / 1e6),
    }
}
