//! Curves over time, one below the other, as SVG.

use plotters::prelude::*;

use super::sampler::Samples;

/// One curve.
pub(super) struct Panel {
    pub(super) title: String,
    /// Seconds, and the value then.
    pub(super) points: Vec<(f64, f64)>,
}

/// A curve has no more points than that: a sheet is this many pixels wide.
const N_POINTS: usize = 900;

impl Panel {
    pub(super) fn new(title: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        let step = points.len().div_ceil(N_POINTS).max(1);
        Self { title: title.into(), points: points.into_iter().step_by(step).collect() }
    }

    /// What every daemon has.
    pub(super) fn of(samples: &Samples) -> Vec<Self> {
        let curve = |value: fn(&super::sampler::Sample) -> f64| {
            samples.0.iter().map(|sample| (sample.at_secs, value(sample))).collect::<Vec<_>>()
        };
        vec![
            Self::new("resident memory, MB", curve(|it| it.resident_mb)),
            Self::new("descriptors", curve(|it| it.n_descriptors as f64)),
            Self::new("threads", curve(|it| it.n_threads as f64)),
            Self::new("processor, % of one", samples.load_over_time()),
        ]
    }
}

/// Draws them.
pub(super) fn svg(panels: &[Panel]) -> String {
    let mut text = String::new();
    let height = 190 * u32::try_from(panels.len()).unwrap();
    let sheet = SVGBackend::with_string(&mut text, (900, height)).into_drawing_area();
    sheet.fill(&WHITE).unwrap();
    for (area, panel) in sheet.split_evenly((panels.len(), 1)).iter().zip(panels) {
        let values = || panel.points.iter().map(|(_, value)| *value);
        let end = panel.points.last().map_or(1.0, |(at, _)| at.max(1e-3));
        let (low, high) = (values().fold(0.0, f64::min), values().fold(0.0, f64::max));
        // A curve of nothing but zeros has a height as well.
        let room = 0.1 * f64::max(high - low, 1e-3);
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, ("sans-serif", 15))
            .margin(8)
            .x_label_area_size(32)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..end, low..high + room)
            .unwrap();
        chart
            .configure_mesh()
            .y_labels(5)
            .x_desc("seconds")
            .light_line_style(TRANSPARENT)
            .draw()
            .unwrap();
        chart.draw_series(LineSeries::new(panel.points.iter().copied(), &BLUE)).unwrap();
    }
    sheet.present().unwrap();
    drop(sheet);
    text
}

#[test]
fn a_sheet_has_a_curve_for_each_panel() {
    let points: Vec<_> = (0..5_000).map(|n| (f64::from(n), f64::from(n % 7))).collect();
    let text =
        svg(&[Panel::new("one", points), Panel::new("nothing", vec![(0.0, 0.0), (1.0, 0.0)])]);
    assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{text}");
    assert!(text.contains("nothing") && text.contains("seconds"));
    let curves = text.lines().filter(|line| line.contains("<polyline") && line.contains("#0000FF"));
    assert_eq!(curves.count(), 2, "{text}");
}
