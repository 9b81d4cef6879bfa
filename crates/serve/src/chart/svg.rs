//! The chart as SVG 1.1, readable without any script.
//!
//! ```text
//! 52:54:00:12:34:56 · worker · 21.4 s
//! ┌ DHCP ┬ firmware loads ┬ kernel and agent start ┬ … ┐
//! 0 s        5 s       10 s        15 s        20 s
//! ●  asked, offered 10.0.0.50
//!    ▬▬▬▬▬ image.efi, 41.2 MiB
//! ```

use std::fmt::Display;
use std::time::Duration;

use super::{Chart, Row};
use crate::recorder::{Seconds, Size};
use crate::ui::html::Html;

const STYLE: &str = include_str!("chart.css");

/// Units of the picture, which are pixels where nobody scales it.
const WIDTH: u64 = 1100;
/// At both sides.
const MARGIN: u64 = 20;
/// Of the time's axis.
const SPAN: u64 = WIDTH - 2 * MARGIN;
/// Where the phases begin, and how high they are.
const PHASES: u64 = 44;
const PHASE_HEIGHT: u64 = 26;
/// Where the numbers of the axis stand.
const AXIS: u64 = PHASES + PHASE_HEIGHT + 18;
/// Where the first row begins, and how high one is.
const ROWS: u64 = AXIS + 12;
const ROW: u64 = 20;
/// The width of a letter, about; what does not fit to the right of its mark stands to the left of it.
const LETTER: u64 = 7;
/// Letters of a row that are shown; the JSON has all.
const MAX_LETTERS: usize = 90;
/// Distances of the axis' lines in milliseconds; the first that makes no more than this many lines is taken.
const STEPS: [u64; 12] =
    [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 7_200_000];
const MAX_LINES: u64 = 12;

/// Draws it.
pub fn draw(chart: &Chart) -> String {
    let height = ROWS + ROW * chart.rows.len() as u64 + MARGIN;
    let mut page = Html::default();
    page.markup("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ")
        .text(WIDTH)
        .markup(" ")
        .text(height);
    page.markup("\" width=\"")
        .text(WIDTH)
        .markup("\" height=\"")
        .text(height)
        .markup("\" role=\"img\"><title>");
    page.text("Boot of ").text(&chart.mac).markup("</title><style>").markup(STYLE).markup("</style>");
    page.markup("<rect class=\"ground\" width=\"100%\" height=\"100%\"/>");
    text(&mut page, ("title", "start"), (MARGIN, 28), head(chart));
    axis(&mut page, chart, height - MARGIN);
    for span in &chart.phases {
        let (x, end) = (place(chart, span.begin), place(chart, span.end));
        let time = Duration::from_millis(span.end - span.begin);
        page.markup("<g><title>").text(span.name).text(": ").text(Seconds(time)).markup("</title>");
        rectangle(&mut page, span.class, (x, PHASES), (end - x, PHASE_HEIGHT));
        if (end - x) > LETTER * span.name.len() as u64 {
            text(&mut page, ("phase", "middle"), ((x + end) / 2, PHASES + 18), span.name);
        }
        page.markup("</g>");
    }
    for (number, row) in chart.rows.iter().enumerate() {
        draw_row(&mut page, chart, row, ROWS + ROW * number as u64);
    }
    page.markup("</svg>\n");
    page.finish()
}

fn head(chart: &Chart) -> String {
    let image = chart.image.as_deref().unwrap_or("no image yet");
    let time = Seconds(Duration::from_millis(chart.length));
    let state = if chart.ended { "" } else { " so far" };
    format!("{} · {} · {time}{state}", chart.mac, printable(image))
}

fn axis(page: &mut Html, chart: &Chart, bottom: u64) {
    let fits = |step: &&u64| chart.length / **step <= MAX_LINES;
    let step = STEPS.iter().find(fits).copied().unwrap_or(chart.length.max(1));
    for time in (0..=chart.length).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let x = place(chart, time);
        page.markup("<line class=\"grid\" x1=\"").text(x).markup("\" x2=\"").text(x);
        page.markup("\" y1=\"").text(PHASES).markup("\" y2=\"").text(bottom).markup("\"/>");
        let anchor = if time == 0 { "start" } else { "middle" };
        text(page, ("axis", anchor), (x, AXIS), Seconds(Duration::from_millis(time)));
    }
}

fn draw_row(page: &mut Html, chart: &Chart, row: &Row, y: u64) {
    let (x, end) = (place(chart, row.begin), place(chart, row.end));
    let label = label(row);
    page.markup("<g><title>").text(printable(&row.text)).markup("</title>");
    match end > x + 2 {
        true => rectangle(page, row.class, (x, y + 4), (end - x, 12)),
        false => {
            page.markup("<circle class=\"").text(row.class).markup("\" cx=\"").text(x);
            page.markup("\" cy=\"").text(y + 10).markup("\" r=\"4\"/>");
        }
    }
    let letters = label.chars().count() as u64;
    let fits = end + 8 + LETTER * letters < WIDTH;
    let (anchor, at) = if fits { ("start", end + 8) } else { ("end", x.saturating_sub(8)) };
    text(page, ("row", anchor), (at, y + 14), label);
    page.markup("</g>");
}

fn label(row: &Row) -> String {
    let mut label: String = printable(&row.text).chars().take(MAX_LETTERS).collect();
    if row.text.chars().count() > MAX_LETTERS {
        label.push('…');
    }
    let took = Some(row.end - row.begin).filter(|millis| *millis > 0);
    let took = took.map(|millis| Seconds(Duration::from_millis(millis)).to_string());
    let bytes = row.bytes.filter(|bytes| *bytes > 0).map(|bytes| Size(bytes).to_string());
    for number in [took, bytes].into_iter().flatten() {
        // Many events say it themselves.
        if !row.text.contains(&number) {
            label += &format!(" · {number}");
        }
    }
    label
}

/// Where a time stands on the axis.
fn place(chart: &Chart, time: u64) -> u64 {
    let offset = u128::from(time) * u128::from(SPAN) / u128::from(chart.length.max(1));
    MARGIN + u64::try_from(offset).unwrap_or(SPAN).min(SPAN)
}

fn rectangle(page: &mut Html, class: &'static str, (x, y): (u64, u64), (width, height): (u64, u64)) {
    page.markup("<rect class=\"").text(class).markup("\" x=\"").text(x).markup("\" y=\"").text(y);
    page.markup("\" width=\"").text(width.max(1)).markup("\" height=\"").text(height).markup("\"/>");
}

fn text(
    page: &mut Html,
    (class, anchor): (&'static str, &'static str),
    (x, y): (u64, u64),
    content: impl Display,
) {
    page.markup("<text class=\"")
        .text(class)
        .markup("\" text-anchor=\"")
        .text(anchor)
        .markup("\" x=\"")
        .text(x);
    page.markup("\" y=\"").text(y).markup("\">").text(content).markup("</text>");
}

/// XML 1.0, 2.2: some characters cannot stand in it in any way.
fn printable(text: &str) -> String {
    let fits = |letter: &char| !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}');
    text.chars().filter(fits).collect()
}
