//! Pictures of the targets: bars of ratios, to the left of 1 where spinney takes less.

use crate::line::Line;
use crate::results::Results;
use crate::table::{about, short};
use crate::targets::{ROWS, Table, Target};
use crate::workloads;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// What is drawn, and where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Pictures {
    /// Files of results.
    #[arg(long, num_args = 1.., default_values = crate::FILES)]
    from: Vec<PathBuf>,
    /// The folder of the pictures: one for each table and allocator.
    #[arg(long, default_value = "docs/performance")]
    to: PathBuf,
}

impl Pictures {
    pub(crate) fn run(&self) -> io::Result<()> {
        let lines = Line::read(&self.from)?;
        for results in Results::split(&lines) {
            for (table, name) in [(Table::Latency, "latency"), (Table::Cost, "cost")] {
                let to = self.to.join(format!("{name}-{}.svg", results.allocator));
                let drawn = draw(&results, table, &to);
                drawn.map_err(|error| io::Error::other(format!("{}: {error}", to.display())))?;
            }
        }
        Ok(())
    }
}

/// One figure: how it compares with two others, less than 1 being better.
struct Bars {
    work: &'static str,
    tokio: Option<f64>,
    /// The best of those that are not tokio.
    peer: Option<(&'static str, f64)>,
    /// The target beside each of the two.
    targets: [Option<f64>; 2],
}

fn bars(results: &Results<'_>, table: Table) -> Vec<Bars> {
    let rows = ROWS.iter().filter(|row| row.table == table);
    rows.filter_map(|row| {
        let outcome = results.outcome(row)?;
        let drawn = |ratio: f64| {
            let ratio = if row.more { 1.0 / ratio } else { ratio };
            (ratio.is_finite() && ratio > 0.0).then_some(ratio)
        };
        let ratio = |side: &str| {
            let ratio = results.ratio(row.workload, (row.ours, side), row.figure);
            ratio.and_then(drawn)
        };
        let target = |side: &str| {
            row.targets.iter().find_map(|target| match target {
                Target::Times(other, times) if *other == side => drawn(*times),
                _ => None,
            })
        };
        let tokio = outcome.tokio.map(|(side, _)| side);
        // The peer that has a target, or the one that is best.
        let named = row.targets.iter().find_map(|target| match target {
            Target::Times(side, _) if workloads::library(side) != "tokio" => Some(*side),
            _ => None,
        });
        let best = outcome.best.map(|(side, _)| side);
        let peer = named.or(best.filter(|side| workloads::library(side) != "tokio"));
        let bars = Bars {
            work: row.work,
            tokio: tokio.and_then(ratio),
            peer: peer.and_then(|side| Some((side, ratio(side)?))),
            targets: [tokio, peer].map(|side| side.and_then(target)),
        };
        (bars.tokio.is_some() || bars.peer.is_some()).then_some(bars)
    })
    .collect()
}

// All colours have about the same contrast to white and to black.
const TEXT: RGBColor = RGBColor(0x76, 0x7c, 0x86);
const FAINT: RGBAColor = RGBAColor(0x76, 0x7c, 0x86, 0.3);
const LESS: RGBColor = RGBColor(0x2f, 0x86, 0xd1);
const MORE: RGBColor = RGBColor(0xd9, 0x5f, 0x0e);
const WIDTH: i32 = 900;
/// Where the bars begin, and how far the rows lie apart.
const LEFT: i32 = 410;
const RIGHT: i32 = 90;
const TOP: i32 = 84;
const ROW: i32 = 22;
const BOTTOM: i32 = 52;

type Area<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<LogCoord<f64>, RangedCoordf64>>;

fn draw(results: &Results<'_>, table: Table, to: &Path) -> Result<(), Box<dyn Error>> {
    let rows = bars(results, table);
    let height = TOP + ROW * i32::try_from(rows.len())? + BOTTOM;
    let size = (u32::try_from(WIDTH)?, u32::try_from(height)?);
    let root = SVGBackend::new(to, size).into_drawing_area();
    let write = |text: &str, size: i32, at: (i32, i32), side: HPos| {
        // The library reckons a size from the lowest to the highest point of a font.
        let style = ("sans-serif", f64::from(size) * 1.24).into_font();
        let style = style.color(&TEXT).pos(Pos::new(side, VPos::Center));
        root.draw(&Text::new(text.to_owned(), at, style))
    };
    let title = match table {
        Table::Latency => "Latency and fairness",
        Table::Cost => "Costs",
    };
    let title = format!("{title}: spinney / others, {} allocator", results.allocator);
    write(&title, 18, (10, 18), HPos::Left)?;
    write(&about(results).replace('*', ""), 12, (10, 40), HPos::Left)?;
    for (at, colour, text) in [
        (LEFT, LESS, "spinney takes less"),
        (LEFT + 160, MORE, "spinney takes more"),
    ] {
        root.draw(&Rectangle::new([(at, 58), (at + 12, 70)], colour.filled()))?;
        write(text, 12, (at + 18, 64), HPos::Left)?;
    }
    let text = "upper bar: beside tokio; lower, paler: beside the peer named at the right; \
                line: the target";
    write(text, 12, (10, height - 10), HPos::Left)?;

    let (low, high) = range(&rows);
    let area: Area<'_> = root
        .clone()
        .margin(TOP, BOTTOM, LEFT, RIGHT)
        .apply_coord_spec(Cartesian2d::<LogCoord<f64>, RangedCoordf64>::new(
            (low..high).log_scale(),
            0.0..rows.len() as f64,
            (LEFT..WIDTH - RIGHT, TOP..height - BOTTOM),
        ));
    grid(&area, low, high, rows.len() as f64)?;
    for decade in decades(low, high) {
        let (at, _) = area.map_coordinate(&(decade, 0.0));
        let place = (at, height - BOTTOM + 14);
        write(&decade.to_string(), 12, place, HPos::Center)?;
    }
    for (index, row) in rows.iter().enumerate() {
        let middle = TOP + ROW * i32::try_from(index)? + ROW / 2;
        write(&row.work.replace('`', ""), 12, (10, middle), HPos::Left)?;
        if let Some((peer, _)) = row.peer {
            write(peer, 11, (WIDTH - RIGHT + 8, middle), HPos::Left)?;
        }
        let ratios = [row.tokio, row.peer.map(|(_, ratio)| ratio)];
        for (half, ratio) in ratios.into_iter().enumerate() {
            let top = index as f64 + if half == 0 { 0.08 } else { 0.52 };
            if let Some(ratio) = ratio {
                bar(&area, (low, high), top, half, ratio)?;
            }
            if let Some(target) = row.targets[half] {
                let ends = [(target, top - 0.02), (target, top + 0.42)];
                area.draw(&PathElement::new(ends, TEXT.stroke_width(2)))?;
            }
        }
    }
    root.present()?;
    Ok(())
}

fn bar(
    area: &Area<'_>,
    (low, high): (f64, f64),
    top: f64,
    half: usize,
    ratio: f64,
) -> Result<(), Box<dyn Error>> {
    let colour = if ratio > 1.0 { MORE } else { LESS };
    let colour = colour.mix(if half == 0 { 1.0 } else { 0.55 });
    let corners = [(1.0, top), (ratio.clamp(low, high), top + 0.4)];
    area.draw(&Rectangle::new(corners, colour.filled()))?;
    let style = ("sans-serif", 9.0 * 1.24).into_font().color(&TEXT);
    let side = if ratio > 1.0 { HPos::Left } else { HPos::Right };
    let style = style.pos(Pos::new(side, VPos::Center));
    let (x, y) = area.map_coordinate(&(ratio.clamp(low, high), top + 0.2));
    let x = if ratio > 1.0 { x + 3 } else { x - 3 };
    let at = area.get_base_pixel();
    let place = area.strip_coord_spec();
    place.draw(&Text::new(short(ratio), (x - at.0, y - at.1), style))?;
    Ok(())
}

/// Whole decades around all bars, and room for what is written beside them.
fn range(rows: &[Bars]) -> (f64, f64) {
    let ratios = rows.iter().flat_map(|row| {
        [row.tokio, row.peer.map(|(_, ratio)| ratio)]
            .into_iter()
            .flatten()
    });
    let (low, high) = ratios.fold((0.5_f64, 2.0_f64), |(low, high), ratio| {
        (low.min(ratio / 1.6), high.max(ratio * 1.6))
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
