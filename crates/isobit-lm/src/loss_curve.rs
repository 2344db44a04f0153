//! The loss over the steps, as SVG and as CSV.

use crate::train::Point;
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Room for the axes: left, right, top, bottom.
const MARGIN: (f64, f64, f64, f64) = (56.0, 16.0, 24.0, 40.0);

/// `step,loss,held_out`, one line per step.
pub fn csv(history: &[Point]) -> String {
    let mut s = String::from("step,loss,held_out\n");
    for p in history {
        let held_out = p.held_out.map_or(String::new(), |l| l.to_string());
        let _ = writeln!(s, "{},{},{held_out}", p.step, p.loss);
    }
    s
}

/// A drawing: each step's loss, its running mean, and the held-out loss where it was measured.
pub fn svg(history: &[Point]) -> String {
    let (left, right, top, bottom) = MARGIN;
    let steps = history.last().map_or(1, |p| p.step).max(1) as f64;
    let values = history.iter().flat_map(|p| [Some(p.loss), p.held_out]).flatten().map(f64::from);
    let highest = values.fold(0.0, f64::max).max(1e-3);
    let tick = tick_distance(highest);
    let ceiling = (highest / tick).ceil() * tick;
    let x = |step: u64| left + step as f64 / steps * (WIDTH - left - right);
    let y = |loss: f64| HEIGHT - bottom - loss / ceiling * (HEIGHT - top - bottom);
    let mut s = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let mut level = 0.0;
    while level <= ceiling + tick / 2.0 {
        let at = y(level);
        let _ = writeln!(
            s,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            WIDTH - right,
            left - 6.0,
            at + 4.0,
            short(level)
        );
        level += tick;
    }
    let every = tick_distance(steps).max(1.0);
    let mut step = 0.0;
    while step <= steps {
        let _ = writeln!(
            s,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{step}</text>",
            x(step as u64),
            HEIGHT - bottom + 16.0
        );
        step += every;
    }
    let _ = writeln!(
        s,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">step</text>\
         <text x=\"{left}\" y=\"14\">loss (nats per token): <tspan fill=\"#9ab\">batch</tspan>, \
         <tspan fill=\"#125\">running mean</tspan>, <tspan fill=\"#c30\">held out</tspan></text>",
        left + (WIDTH - left - right) / 2.0,
        HEIGHT - 6.0
    );
    let batch = history.iter().map(|p| (x(p.step), y(f64::from(p.loss))));
    line(&mut s, batch, "#9ab", 0.7);
    let mut mean = history.first().map_or(0.0, |p| f64::from(p.loss));
    let smooth = history.iter().map(|p| {
        mean += (f64::from(p.loss) - mean) * 0.05;
        (x(p.step), y(mean))
    });
    line(&mut s, smooth, "#125", 1.6);
    let held_out = history.iter().filter_map(|p| p.held_out.map(|l| (x(p.step), y(f64::from(l)))));
    line(&mut s, held_out, "#c30", 1.6);
    s.push_str("</svg>\n");
    s
}

fn line(s: &mut String, points: impl Iterator<Item = (f64, f64)>, colour: &str, width: f64) {
    s.push_str("<polyline points=\"");
    for (x, y) in points {
        let _ = write!(s, "{x:.1},{y:.1} ");
    }
    let _ = writeln!(s, "\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>");
}

/// A round number that cuts `range` into four to ten parts.
fn tick_distance(range: f64) -> f64 {
    let mut unit = 1e-6;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if range / (unit * factor) <= 10.0 {
                return unit * factor;
            }
        }
        unit *= 10.0;
    }
}

fn short(v: f64) -> String {
    let s = format!("{v:.4}");
    s.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_lies_within_the_drawing() {
        let point = |step: u64| Point {
            step,
            loss: 7.6 / (step as f32).sqrt(),
            held_out: step.is_multiple_of(10).then_some(3.0),
        };
        let history: Vec<Point> = (1..=100).map(point).collect();
        let drawing = svg(&history);
        assert_eq!(drawing.matches("<polyline").count(), 3);
        let mut seen = 0;
        for part in drawing.split("points=\"").skip(1) {
            for pair in part.split('"').next().unwrap().split_whitespace() {
                let (x, y) = pair.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((0.0..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y), "{pair}");
                seen += 1;
            }
        }
        assert_eq!(seen, 100 + 100 + 10);
        assert_eq!(csv(&history).lines().count(), 101);
        assert!(svg(&[]).contains("</svg>"));
        assert_eq!((tick_distance(1000.0), tick_distance(7.6)), (100.0, 1.0));
    }
}
