//! Measurements as pictures (SVG), on a ground of their own so that they can be read in light and dark.

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::contender::{AT_LEAST_ONCE, EXACTLY_ONCE};
use crate::latency::Latency;
use crate::tables::thousands;
use crate::throughput::Throughput;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

const GROUND: RGBColor = RGBColor(252, 252, 250);
const INK: RGBColor = RGBColor(36, 41, 47);
const FAINT: RGBColor = RGBColor(223, 226, 230);
const FONT: &str = "system-ui, sans-serif";
const SIZE: (u32, u32) = (960, 440);
/// From one place of a horizontal axis to the next: an axis of fractions cannot have names.
const SPACE: i32 = 1000;

/// Draws the rate of every run as a dot, and each contender's median as a line.
///
/// # Errors
/// When the file cannot be written.
pub fn rates(file: &Path, measured: &[&Throughput]) -> Drawn {
    let root = ground(file)?;
    let all = measured.iter().flat_map(|throughput| &throughput.series).flat_map(|series| &series.runs);
    let top = all.map(|run| run.rate).fold(0.0, f64::max) * 1.08;
    let contenders: usize = measured.iter().map(|throughput| throughput.series.len()).sum();
    let mut rest = root.titled("Events a second: each run, and the median", text(20))?;
    for throughput in measured {
        let share = throughput.series.len() as f64 / contenders as f64;
        let (panel, right) = rest.split_horizontally((f64::from(SIZE.0) * share) as i32);
        rate_panel(&panel, throughput, top)?;
        rest = right;
    }
    root.present()?;
    Ok(())
}

fn rate_panel(panel: &Area, throughput: &Throughput, top: f64) -> Drawn {
    let count = i32::try_from(throughput.series.len()).expect("a handful");
    let places = (-SPACE / 2..count * SPACE - SPACE / 2)
        .with_key_points((0..count).map(|place| place * SPACE).collect());
    let caption = format!("user agents never seen before: {:.0} %", throughput.load.fresh_agents * 100.0);
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .caption(caption, text(15))
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(places, 0.0..top)?;
    let name = |place: &i32| throughput.series[(place / SPACE) as usize].name.to_owned();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .label_style(text(13))
        .x_label_formatter(&name)
        .y_label_formatter(&|rate| thousands(*rate))
        .draw()?;
    for (middle, series) in (0..).step_by(SPACE as usize).zip(&throughput.series) {
        let colour = colour(series.name);
        // Side by side in the order of the rounds, so that a drift shows.
        let beside =
            |round: usize| (SPACE / 2) * (2 * round as i32 + 1) / (2 * series.runs.len() as i32) - SPACE / 4;
        let dots = series.runs.iter().enumerate().map(|(round, run)| (middle + beside(round), run.rate));
        chart.draw_series(dots.map(|dot| Circle::new(dot, 4, colour.mix(0.55).filled())))?;
        let median = series.median(|run| run.rate);
        let line = [(middle - SPACE / 3, median), (middle + SPACE / 3, median)];
        chart.draw_series([PathElement::new(line, INK.stroke_width(2))])?;
        let style = text(13).pos(Pos::new(HPos::Center, VPos::Top));
        // Below the dots, wherever those are.
        let lowest = series.runs.iter().map(|run| run.rate).fold(median, f64::min);
        chart.draw_series([Text::new(thousands(median), (middle, lowest - top * 0.025), style)])?;
    }
    Ok(())
}

/// Draws which share of the messages could be read within which time, a line for each rate.
///
/// # Errors
/// When the file cannot be written.
pub fn latencies(file: &Path, measured: &[Latency]) -> Drawn {
    let root = ground(file)?;
    let title = root.titled("From push to readable: within which time which share of the lines", text(20))?;
    let steps = measured.iter().flat_map(|latency| &latency.steps);
    let slowest = steps.map(|step| step.milliseconds(0.999)).fold(10.0, f64::max);
    // Room for the names of the lines.
    let top = slowest * 12.0;
    for (panel, latency) in title.split_evenly((1, measured.len())).iter().zip(measured) {
        latency_panel(panel, latency, top)?;
    }
    root.present()?;
    Ok(())
}

/// Percentiles by how many nines they have.
const NINES: [(i32, &str); 4] = [(301, "50 %"), (SPACE, "90 %"), (2 * SPACE, "99 %"), (3 * SPACE, "99.9 %")];

fn latency_panel(panel: &Area, latency: &Latency, top: f64) -> Drawn {
    let nines = (NINES[0].0 - SPACE / 20..3 * SPACE + SPACE / 20)
        .with_key_points(NINES.map(|(nines, _)| nines).into());
    let milliseconds = (1.0..top).log_scale().with_key_points(decades(top));
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .caption(latency.delivery, text(15))
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(nines, milliseconds)?;
    let name = |place: &i32| {
        let near = NINES.iter().find(|(nines, _)| nines == place);
        near.map_or(String::new(), |(_, name)| (*name).to_owned())
    };
    chart
        .configure_mesh()
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .label_style(text(13))
        .x_label_formatter(&name)
        .y_label_formatter(&|milliseconds| format!("{milliseconds:.0} ms"))
        .draw()?;
    for (step, strength) in latency.steps.iter().zip([0.4, 0.7, 1.0]) {
        let colour = colour(latency.delivery).mix(strength);
        let points: Vec<(i32, f64)> = (NINES[0].0..=3 * SPACE)
            .step_by(30)
            .map(|nines| {
                let beyond = 10_f64.powf(-f64::from(nines) / f64::from(SPACE));
                (nines, step.milliseconds(1.0 - beyond).max(1.0))
            })
            .collect();
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(format!("{:.0} %: {} lines/s", step.share * 100.0, thousands(step.rate)))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(text(13))
        .background_style(GROUND)
        .border_style(TRANSPARENT)
        .draw()?;
    Ok(())
}

fn ground(file: &Path) -> Result<Area<'_>, Box<dyn std::error::Error>> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&GROUND)?;
    Ok(root)
}

fn text(size: u32) -> TextStyle<'static> {
    TextStyle::from((FONT, size)).color(&INK)
}

/// 1, 10, 100 and so on.
fn decades(top: f64) -> Vec<f64> {
    (0..=6).map(|power| 10_f64.powi(power)).take_while(|decade| *decade < top).collect()
}

/// Told apart by those who see no red or no green, too.
fn colour(name: &str) -> RGBColor {
    match name {
        AT_LEAST_ONCE => RGBColor(0, 95, 184),
        EXACTLY_ONCE => RGBColor(204, 85, 0),
        _ => RGBColor(110, 119, 129),
    }
}
