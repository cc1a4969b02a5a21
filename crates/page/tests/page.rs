//! The page with plots, as text: its structure, without a browser. `look.rs` opens it in one.

mod sample;

use std::fs;

use threadwise_figures::{Note, Report, Stamp};
use threadwise_page::html;

const DOCTYPE: &str = "<!DOCTYPE html>";
/// Elements without an end.
const VOID: [&str; 2] = ["meta", "br"];

/// Returns the tags in order, as name and attributes. `/` closes the element before it, `/name` the
/// one with that name. Panics if the text is no markup.
fn tags(page: &str) -> Vec<(&str, &str)> {
    let page = page.strip_prefix(DOCTYPE).expect("a page begins with its type");
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(begin) = rest.find('<') {
        let end = begin + rest[begin..].find('>').expect("every tag ends");
        let tag = &rest[begin + 1..end];
        assert!(!tag.contains('<'), "a tag within a tag: {tag}");
        let (name, attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        tags.push((name, attributes));
        if VOID.contains(&name) {
            tags.push(("/", ""));
        }
        rest = &rest[end + 1..];
    }
    tags
}

fn assert_well_formed(page: &str) {
    let mut open = Vec::new();
    for (name, attributes) in tags(page) {
        match name.strip_prefix('/') {
            Some("") => drop(open.pop()),
            Some(name) => assert_eq!(open.pop(), Some(name), "the end of another element"),
            None => open.push(name),
        }
        let is_even = attributes.matches('"').count() % 2 == 0;
        assert!(is_even, "quotes in <{name} {attributes}>");
    }
    assert!(open.is_empty(), "left open: {open:?}");
    let mut entities = page.split('&').skip(1);
    assert!(entities.all(|rest| rest.find(';').is_some_and(|end| end < 6)), "a bare ampersand");
}

/// Returns each plot's kind and content.
fn plots(page: &str) -> Vec<(&str, &str)> {
    let plots = page.split("data-plot=\"").skip(1);
    plots
        .map(|plot| {
            let plot = plot.split_once("</figure>").expect("every plot ends").0;
            plot.split_once('"').unwrap()
        })
        .collect()
}

#[test]
fn the_page_is_well_formed() {
    assert_well_formed(&html::render(&sample::report()));
    assert_well_formed(&html::render(&Report::default()));
}

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    let page = html::render(&sample::report());
    for (name, attributes) in tags(&page) {
        assert!(!["script", "link", "img", "iframe", "object", "base"].contains(&name), "{name}");
        let names = attributes.split('"').step_by(2).map(|name| name.trim().trim_end_matches('='));
        for name in names {
            assert!(!["src", "style"].contains(&name) && !name.starts_with("on"), "{name}");
        }
        let elsewhere = attributes.split("href=\"").skip(1).find(|to| !to.starts_with('#'));
        assert_eq!(elsewhere, None);
    }
    for word in ["http:", "https:", "src="] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(!page.contains("@import") && !page.contains("url("), "the style loads something");
}

#[test]
fn the_answer_is_first_and_other_plots_and_tables_are_folded() {
    let page = html::render(&sample::report());
    let (open, folded) = page.split_once("<details").expect("there is more than the answer");
    assert_eq!(open.matches("<article class=\"card\"").count(), 3);
    assert_eq!(plots(open).iter().map(|plot| plot.0).collect::<Vec<_>>(), ["trade"]);
    assert!(!open.contains("<table"));
    let mut depth = 1;
    for (name, attributes) in tags(&format!("{DOCTYPE}<details{folded}")) {
        match name {
            "details" => depth += 1,
            "/details" => depth -= 1,
            _ => assert!(depth > 1 || !attributes.contains("data-plot"), "open: {attributes}"),
        }
    }
}

/// Returns the text of the card for a pool, without its markup.
fn card(page: &str, pool: &str) -> String {
    let begin = format!("data-pool=\"{pool}\">");
    let card = page.split_once(&begin).unwrap_or_else(|| panic!("no card of {pool}")).1;
    let card = card.split_once("</article>").unwrap().0;
    let text = card.split('<').map(|part| part.split_once('>').map_or(part, |it| it.1));
    text.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Keeps the measurements of one backend.
fn only(backend: &str) -> Report {
    let mut report = sample::report();
    report.results.retain(|row| row.backend == backend);
    report
}

#[test]
fn a_card_has_three_numbers_against_the_best_peer() {
    let mut report = sample::report();
    for row in &mut report.results {
        let (ns, wait_ns) = if row.pool == "shared" { (10.0, 2_000) } else { (50.0, 9_000) };
        (row.ops, row.errors) = (1, 0);
        (row.ns_per_op, row.wait_p99_ns, row.ops_per_s) = (Some(ns), Some(wait_ns), 1e9 / ns);
        (row.ops_per_s_min, row.ops_per_s_max) = (0.99e9 / ns, 1.01e9 / ns);
        row.fairness = 0.5;
    }
    let page = html::render(&report);
    assert_eq!(
        card(&page, "shared"),
        "Your threads are many, and they share fewer connections → SharedPool free checkout \
         synthetic · uncontended 10.0 ns ▲ 5.00× less than mutex (50.0 ns) p99 wait when starved \
         mysql · starved 2.00 µs ▲ 4.50× shorter than mutex (9.00 µs) reads on a database \
         mysql · point-select 100 M/s ▲ 5.00× more than mutex (20.0 M/s)"
    );
    assert!(card(&page, "queue").contains("50.0 ns ≈ about the same as mutex"), "{page}");
    assert!(card(&page, "persistent").contains("with 32 connections instead of 4"), "{page}");
}

#[test]
fn cards_say_what_was_not_measured() {
    let page = html::render(&only("sqlite"));
    let shared = card(&page, "shared");
    assert!(shared.contains("free checkout – not measured in this run"), "{shared}");
    assert!(shared.contains("sqlite · starved") && shared.contains("sqlite · point-select"));
    let page = html::render(&only("synthetic"));
    assert!(card(&page, "queue").contains("reads on a database – not measured in this run"));
    let mut report = sample::report();
    report.interrupted = true;
    for row in &mut report.results {
        row.errors = 1;
    }
    let page = html::render(&report);
    assert!(page.contains("This run was interrupted") && !page.contains("data-plot=\"trade\""));
    assert!(card(&page, "shared").contains("free checkout – operations failed"), "{page}");
}

#[test]
fn the_picture_has_a_point_for_each_pool_and_a_line_if_the_sweep_was_measured() {
    let mut report = sample::report();
    let trade = |report: &Report| {
        let page = html::render(report);
        plots(&page).into_iter().find(|plot| plot.0 == "trade").expect("it is there").1.to_owned()
    };
    let drawn = trade(&report);
    let rows =
        report.results.iter().filter(|row| row.backend == "mysql" && row.workload == "starved");
    for row in rows {
        let is_there = drawn.contains(&format!(">{}</text>", row.pool));
        let has_one_each = ["persistent", "dedicated", "connect-per-use", "manager-per-use"];
        assert_eq!(is_there, !has_one_each.contains(&&*row.pool), "{}: {drawn}", row.pool);
    }
    assert_eq!(drawn.matches("class=\"step ").count(), 5);
    assert!(!drawn.contains("class=\"ring\"") && !drawn.contains("hollow"), "{drawn}");
    report.fair_after[4].fairness = 0.05; // with the longest `fair_after`
    let unfair = trade(&report);
    assert_eq!(unfair.matches("class=\"ring\"").count(), 1, "{unfair}");
    assert!(unfair.contains("A hollow mark: a few threads"), "{unfair}");
    report.fair_after.clear();
    let drawn = trade(&report);
    assert!(!drawn.contains("fair_after") && !drawn.contains("class=\"curve\""), "{drawn}");
}

#[test]
fn workloads_in_which_all_pools_are_within_the_noise_are_folded_away() {
    let mut report = only("synthetic");
    let noisy = report.results.iter_mut().filter(|row| row.workload == "as-many");
    for row in noisy {
        (row.ops, row.errors, row.ops_per_s) = (1, 0, 100.0);
        (row.ops_per_s_min, row.ops_per_s_max) = (90.0, 110.0);
    }
    let page = html::render(&report);
    let same = page.split_once("<details class=\"same\">").expect("one is folded").1;
    let same = same.split_once("</details>").unwrap().0;
    assert!(same.contains("All pools are within the noise: 1 workload<"), "{same}");
    assert!(same.contains("synthetic · as-many"), "{same}");
    let open = page.split_once("<section class=\"differences\">").unwrap().1;
    let open = open.split_once("<details").unwrap().0;
    assert!(open.contains("synthetic · uncontended") && !open.contains("synthetic · as-many"));
}

#[test]
fn every_plot_has_marks_a_question_a_caption_and_words() {
    let page = html::render(&sample::report());
    let plots = plots(&page);
    let kinds = [
        "trade",
        "throughput",
        "waits",
        "cdf",
        "fairness",
        "sweep",
        "memory",
        "scenario",
        "timeline",
        "breakdown",
    ];
    for kind in kinds {
        assert!(plots.iter().any(|plot| plot.0 == kind), "no plot of {kind}");
    }
    for (kind, plot) in plots {
        let rows = plot.split("<g class=\"row ").skip(1);
        let marked =
            rows.filter(|row| ["<rect", "<circle", "<path"].iter().any(|it| row.contains(it)));
        assert!(marked.count() > 0, "{kind} is empty: {plot}");
        assert!(plot.contains("</strong>") && plot.contains("<title>"), "no question: {plot}");
        assert!(plot.contains("role=\"img\" aria-label=\""), "no words: {plot}");
        assert!(plot.contains("<p class=\"reading\">"), "no caption: {plot}");
        assert!(!plot.contains("NaN") && !plot.contains("inf"), "{plot}");
    }
}

#[test]
fn every_measurement_is_in_a_plot_and_in_a_table() {
    let report = sample::report();
    let page = html::render(&report);
    let bars: usize = plots(&page)
        .iter()
        .filter(|plot| plot.0 == "throughput")
        .map(|plot| plot.1.matches("<g class=\"row ").count())
        .sum();
    assert_eq!(bars, report.results.len());
    assert_eq!(page.matches("<th scope=\"row\">").count(), report.results.len());
}

#[test]
fn the_distribution_of_waits_is_drawn_if_there_are_more_threads_than_connections() {
    let mut report = sample::report();
    let places = |report: &Report, kind: &str| {
        let page = html::render(report);
        let plots: Vec<_> = plots(&page).into_iter().filter(|plot| plot.0 == kind).collect();
        let starved = plots.iter().filter(|plot| plot.1.contains("· starved<")).count();
        let uncontended = plots.iter().filter(|plot| plot.1.contains("· uncontended<")).count();
        (starved, uncontended)
    };
    assert_eq!((places(&report, "cdf"), places(&report, "waits")), ((4, 0), (0, 4)));
    for row in &mut report.results {
        row.wait_distribution.clear(); // as in older reports
    }
    assert_eq!((places(&report, "cdf"), places(&report, "waits")), ((0, 0), (4, 4)));
}

#[test]
fn connections_opened_are_shown_if_they_differ_much() {
    let mut report = sample::report();
    for row in report.results.iter_mut().filter(|row| row.workload == "think-time") {
        row.opened = if row.pool == "shared" { 6 } else { 64 };
    }
    let page = html::render(&report);
    let of = |workload: &str| {
        let plots = plots(&page).into_iter().filter(|plot| plot.0 == "throughput");
        let mut plots = plots.filter(|plot| plot.1.contains(&format!("synthetic · {workload}<")));
        plots.next().unwrap_or_else(|| panic!("no plot of {workload}")).1.to_owned()
    };
    assert!(of("think-time").contains("Connections opened: shared 6"), "{}", of("think-time"));
    assert!(of("think-time").contains("after 10.0 ms of think time"), "{}", of("think-time"));
    assert!(!of("as-many").contains("Connections opened"), "all of them open as many");
}

#[test]
fn errors_are_shown_and_never_count_as_best() {
    let report = sample::report();
    let page = html::render(&report);
    let section = page.split_once(">Errors</h2>").expect("there were errors").1;
    let section = section.split_once("</section>").unwrap().0;
    assert_eq!(section.matches("<li>").count(), 2, "{section}");
    assert!(section.contains("errors: 3, the first: &lt;script&gt;alert("), "{section}");
    assert!(page.contains("nothing succeeded"), "a contender that did nothing is left out");
    let failed = &report.results[2];
    let first = plots(&page).into_iter().find(|plot| plot.0 == "throughput").unwrap().1;
    assert!(first.contains(&format!(">{}<", failed.pool)), "{first}");
    assert!(!first.contains(&format!("★ {}<", failed.pool)), "{first}");
}

#[test]
fn a_claim_that_does_not_hold_is_marked() {
    let page = html::render(&sample::report());
    assert_eq!(page.matches("✗ fails").count(), 1);
    assert!(page.contains("2 of 3 hold in this run; 1 fails."));
}

#[test]
fn text_of_the_report_is_never_markup() {
    let mut report = sample::report();
    let Stamp { commit, date, command, machine } = &mut report.stamp;
    for text in [commit, date, command, &mut machine.cpu] {
        *text = sample::NASTY.into();
    }
    for row in &mut report.results {
        (row.pool, row.workload) = (sample::NASTY.into(), sample::NASTY.into());
    }
    for run in &mut report.scenarios {
        (run.scenario, run.unit) = (sample::NASTY.into(), sample::NASTY.into());
    }
    let page = html::render(&report);
    assert_well_formed(&page);
    assert!(!page.contains("<script"));
}

/// Returns the charts of a report with their file names.
fn charts(report: &Report) -> Vec<(String, String)> {
    let directory = tempfile::tempdir().unwrap();
    let paths = html::write_charts(report, directory.path()).unwrap();
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn charts_stand_alone_and_keep_their_names() {
    let mut report = sample::report();
    report.stamp.machine.cpu = sample::NASTY.into();
    let charts = charts(&report);
    let names: Vec<_> = charts.iter().map(|chart| &*chart.0).collect();
    let expected = ["trade", "checkout", "reading", "waits", "threads", "breakdown", "spike"];
    assert_eq!(names, expected.map(|name| format!("{name}.svg")));
    for (name, svg) in &charts {
        assert_well_formed(&format!("{DOCTYPE}{svg}"));
        let once = svg.strip_prefix("<svg xmlns=\"http://www.w3.org/2000/svg\" ").expect(name);
        assert!(
            !once.contains("http") && !once.contains("url(") && !once.contains("<script"),
            "{svg}"
        );
        assert!(svg.contains("prefers-color-scheme: dark") && svg.contains("?</title>"), "{svg}");
        assert!(svg.contains("<g class=\"row "), "{name} is empty: {svg}");
    }
}

#[test]
fn charts_whose_figures_a_report_does_not_have_are_left_out() {
    let mut report = sample::report();
    report.breakdowns.clear();
    report.sweep.clear();
    report.fair_after.clear();
    for run in &mut report.scenarios {
        run.timeline.clear();
    }
    let charts = charts(&report);
    let names: Vec<_> = charts.iter().map(|chart| &*chart.0).collect();
    assert_eq!(
        names,
        ["trade", "checkout", "reading", "waits", "spike"].map(|it| format!("{it}.svg"))
    );
    assert!(charts[4].1.contains("How many connections are opened"), "{}", charts[4].1);
}

#[test]
fn what_is_unfair_to_pools_of_other_languages_is_on_the_page_and_not_folded() {
    let note = |pool: &str, driver: &str| Note {
        pool: format!("{pool}-{driver}"),
        base_name: pool.into(),
        unfair: "pings at each borrow".into(),
        language: "Python".into(),
        unfair_language: "runs one thread at a time".into(),
        driver: Some(driver.into()),
        unfair_driver: Some("sends statements as text".into()),
        versions: vec![format!("{driver} 1")],
        ..Note::default()
    };
    let report = Report {
        abroad: vec![note("pooleddb", "pymysql"), note("pooleddb", "mysqlclient")],
        left_out: vec!["Go is left out".into()],
        ..Report::default()
    };
    let page = html::render(&report);
    assert_well_formed(&page);
    let open = page.split("<details").next().unwrap();
    for once in [
        "What is unfair",
        "our pools: run in the harness's process",
        "Python (pymysql 1, mysqlclient 1): runs one thread at a time",
        "pings at each borrow",
        "pymysql: sends statements as text",
        "mysqlclient: sends statements as text",
        "Go is left out",
    ] {
        assert_eq!(open.matches(once).count(), 1, "{once}: {open}");
    }
    assert!(!html::render(&sample::report()).contains("What is unfair"), "a run of ours alone");
}
