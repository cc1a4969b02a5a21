//! The colours of the page: readable, and told apart also by readers who see few colours.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../src/html/plot.css");

type Rgb = [f64; 3];

/// Returns the colours by name, those of the light page and those of the dark one.
fn schemes() -> [(&'static str, BTreeMap<&'static str, Rgb>); 2] {
    let (light, dark) = STYLE.split_once("@media").expect("there is a dark scheme");
    let dark = dark.split_once("\n}\n").expect("the dark scheme ends").0;
    [("light", colours(light)), ("dark", colours(dark))]
}

fn colours(style: &'static str) -> BTreeMap<&'static str, Rgb> {
    let colour = |rule: &'static str| {
        let (name, value) = rule.split_once(':')?;
        let number = u32::from_str_radix(value.trim().strip_prefix('#')?, 16).ok()?;
        let channel = |shift: u32| linear(f64::from(number >> shift & 0xff) / 255.0);
        Some((name.trim(), [channel(16), channel(8), channel(0)]))
    };
    style.split("--").flat_map(|rule| rule.split(';').next()).filter_map(colour).collect()
}

/// Undoes the gamma of sRGB.
fn linear(channel: f64) -> f64 {
    if channel <= 0.040_45 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
}

fn times(matrix: [[f64; 3]; 3], colour: Rgb) -> Rgb {
    matrix.map(|row| row.iter().zip(colour).map(|(factor, channel)| factor * channel).sum())
}

/// The contrast ratio of WCAG 2.
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let luminance = |colour| times([[0.2126, 0.7152, 0.0722]; 3], colour)[0] + 0.05;
    let (one, other) = (luminance(one), luminance(other));
    one.max(other) / one.min(other)
}

/// The distance in CIELAB (CIE76). About 2 is just noticeable.
fn distance(one: Rgb, other: Rgb) -> f64 {
    let lab = |colour| {
        let xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]];
        let [x, y, z] = times(xyz, colour);
        let [x, y, z] = [x / 0.9505, y, z / 1.089]
            .map(|it| if it > 0.008_856 { it.cbrt() } else { 7.787 * it + 16.0 / 116.0 });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    };
    lab(one).iter().zip(lab(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// How readers without one kind of cone see a colour (Machado, Oliveira and Fernandes, 2009).
const VISIONS: [(&str, [[f64; 3]; 3]); 4] = [
    ("all colours", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

#[test]
fn text_has_the_contrast_of_wcag_aa() {
    let texts = ["text", "quiet", "ours", "peer", "reference", "better", "worse"];
    for (scheme, colours) in schemes() {
        for (text, ground) in texts.iter().flat_map(|text| [(text, "page"), (text, "card")]) {
            let found = contrast(colours[text], colours[ground]);
            assert!(found >= 4.5, "{scheme}: {text} on {ground}: {found:.2}");
        }
    }
}

#[test]
fn marks_are_told_apart_by_readers_who_see_few_colours() {
    for (scheme, colours) in schemes() {
        for (vision, matrix) in VISIONS {
            let seen = |name: &str| times(matrix, colours[name]).map(|it| it.clamp(0.0, 1.0));
            let pairs = [
                ("ours", "peer"),
                ("ours", "reference"),
                ("peer", "reference"),
                ("better", "worse"),
            ];
            for (one, other) in pairs {
                let found = distance(seen(one), seen(other));
                assert!(found >= 20.0, "{scheme}, {vision}: {one} and {other}: {found:.1}");
            }
        }
    }
}

#[test]
fn contrast_and_distance_are_those_of_their_definitions() {
    let grey = |value: f64| [linear(value); 3];
    assert!((contrast(grey(0.0), grey(1.0)) - 21.0).abs() < 1e-6);
    assert!((contrast(grey(119.0 / 255.0), grey(1.0)) - 4.48).abs() < 0.01);
    assert!((distance(grey(0.0), grey(1.0)) - 100.0).abs() < 0.1);
}
