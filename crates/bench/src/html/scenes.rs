//! The scenarios: one figure of each contender.

use super::bars::{self, Bar};
use super::contest::{Role, is_ours};
use super::plot::{Label, Plot, capitalised, list};
use crate::scenario::{Scenario, Scene};
use crate::units::duration;

/// A plot for each scenario on each backend.
pub(super) fn plots(scenes: &[Scene]) -> Vec<Plot> {
    let mut groups: Vec<Vec<&Scene>> = Vec::new();
    for scene in scenes {
        let key = |scene: &Scene| (scene.backend.clone(), scene.scenario.clone());
        match groups.iter_mut().find(|group| key(group[0]) == key(scene)) {
            Some(group) => group.push(scene),
            None => groups.push(vec![scene]),
        }
    }
    groups.into_iter().map(plot).collect()
}

fn plot(mut group: Vec<&Scene>) -> Plot {
    let order = |scene: &Scene| scene.figure.unwrap_or(f64::INFINITY);
    group.sort_by(|a, b| order(a).total_cmp(&order(b)));
    let most = group.iter().filter_map(|scene| scene.figure).fold(1e-9, f64::max);
    let bars: Vec<_> = group.iter().map(|scene| bar(scene, most)).collect();
    let Scene { backend, scenario, scale, .. } = group[0];
    let shortened = match *scale {
        scale if scale < 1.0 => format!(" All its times were multiplied by {scale}."),
        _ => String::new(),
    };
    Plot {
        kind: "scene",
        place: format!("{backend} · {scenario}"),
        question: question(scenario),
        spoken: list(group.iter().map(|scene| format!("{}: {}", scene.pool, figure(scene)))),
        reading: format!("Shorter is better.{shortened}"),
        drawing: bars::draw(&bars, 1.0, &[]),
    }
}

fn question(name: &str) -> String {
    let known = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
    capitalised(known.map_or(name, |scenario| scenario.about()))
}

fn bar<'s>(scene: &'s Scene, most: f64) -> Bar<'s> {
    let role = if is_ours(&scene.pool) { Role::Ours } else { Role::Peer };
    let Scene { opened, served, errors, .. } = scene;
    let p99 = scene.wait_p99_ms.map_or(String::new(), |ms| format!(", p99 {}", duration(ms * 1e6)));
    Bar {
        label: Label { pool: &scene.pool, role, is_best: false },
        share: scene.figure.map(|figure| figure / most),
        figure: figure(scene),
        remark: format!("{opened} opened, {served} served, {errors} errors{p99}"),
    }
}

fn figure(scene: &Scene) -> String {
    match (scene.figure, &*scene.unit) {
        (None, _) => "it did not come to that".into(),
        (Some(ms), "ms") => duration(ms * 1e6),
        (Some(figure), unit) => format!("{figure:.0} {unit}"),
    }
}
