//! Looks at the page with plots in a real browser: on a phone and on a desktop, in light and dark.
//! `just look` runs it; it needs Chromium.

mod sample;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use threadwise_page::html;

/// Opens the page in a frame of a given width, because a browser's window cannot be as narrow as a
/// phone, and lists the problems that it finds.
const LOOKER: &str = include_str!("looker.html");

/// The browser's findings about a page.
struct Look {
    plots: usize,
    height: u32,
    problems: Vec<String>,
}

struct Browser {
    program: String,
    directory: tempfile::TempDir,
}

impl Browser {
    fn find() -> Self {
        let named = std::env::var("CHROMIUM").into_iter();
        let usual = ["chromium", "chromium-browser", "google-chrome"].map(String::from);
        let answers = |program: &String| Command::new(program).arg("--version").output().is_ok();
        let program = named.chain(usual).find(answers);
        let program = program.expect("Chromium is needed: `just setup browser`, or set CHROMIUM");
        Self { program, directory: tempfile::tempdir().unwrap() }
    }

    /// Runs the browser without its sandbox, which does not work for root and in most containers.
    /// This is safe, because the page is our own.
    fn run(&self, is_dark: bool, arguments: &[String]) -> Output {
        let looker = self.directory.path().join("looker.html");
        let output = Command::new(&self.program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args(["--allow-file-access-from-files", "--virtual-time-budget=5000"])
            .args(["--enable-logging=stderr", "--disable-extensions", "--no-first-run"])
            // No network, and no small /dev/shm.
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-quic", "--disable-dev-shm-usage"])
            .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark)))
            .arg(format!("--user-data-dir={}", self.directory.path().join("profile").display()))
            .args(arguments)
            .arg(format!("file://{}", looker.display()))
            .output();
        output.expect("the browser has answered before")
    }

    fn look(&self, page: &str, width: u32, is_dark: bool) -> Look {
        let scheme = if is_dark { "dark" } else { "light" };
        let looker = LOOKER.replace("WIDTH", &width.to_string()).replace("SCHEME", scheme);
        fs::write(self.directory.path().join("looker.html"), looker).unwrap();
        fs::write(self.directory.path().join("page.html"), page).unwrap();
        let output = self.run(is_dark, &["--dump-dom".into()]);
        let log = String::from_utf8_lossy(&output.stderr);
        let console = log.lines().filter(|line| line.contains("CONSOLE"));
        let dom = String::from_utf8_lossy(&output.stdout);
        let findings =
            dom.split_once("<pre id=\"findings\">").and_then(|it| it.1.split_once("</pre>"));
        let findings = findings.unwrap_or_else(|| panic!("no findings: {dom} {log}")).0;
        let mut lines = findings.lines();
        let mut number = || lines.next().unwrap().parse().unwrap_or_else(|_| panic!("{findings}"));
        let (plots, height) = (number(), number());
        let problems = console.chain(lines).map(str::to_owned).collect();
        Look { plots: plots as usize, height, problems }
    }

    /// Saves a picture of the page that `look` opened last.
    fn screenshot(&self, look: &Look, width: u32, is_dark: bool, to: &Path) {
        let size = format!("--window-size={},{}", width.max(500), look.height.min(16_000));
        self.run(is_dark, &[size, format!("--screenshot={}", to.display())]);
        assert!(to.metadata().is_ok_and(|it| it.len() > 0), "no picture at {}", to.display());
    }
}

fn pictures() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("look");
    fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn the_page_is_whole_on_a_phone_and_on_a_desk_in_light_and_dark() {
    let browser = Browser::find();
    let page = html::render(&sample::report());
    let drawn = page.matches("<svg ").count();
    for width in [390, 1440] {
        for is_dark in [false, true] {
            let look = browser.look(&page, width, is_dark);
            let picture =
                pictures().join(format!("{width}-{}.png", ["light", "dark"][usize::from(is_dark)]));
            browser.screenshot(&look, width, is_dark, &picture);
            println!("{}", picture.display());
            assert_eq!(look.problems, [""; 0], "at {width} px, dark: {is_dark}");
            assert_eq!(look.plots, drawn, "at {width} px, dark: {is_dark}");
        }
    }
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn charts_are_whole_in_light_and_dark() {
    let browser = Browser::find();
    let directory = tempfile::tempdir().unwrap();
    let paths = html::write_charts(&sample::report(), directory.path()).unwrap();
    let charts: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let style = "body { margin: 0; } svg { display: block; width: 100%; height: auto; }";
    let page = format!("<!DOCTYPE html><html><style>{style}</style><body>{charts}</body></html>");
    for is_dark in [false, true] {
        let look = browser.look(&page, 390, is_dark);
        let scheme = ["light", "dark"][usize::from(is_dark)];
        let picture = pictures().join(format!("charts-{scheme}.png"));
        browser.screenshot(&look, 390, is_dark, &picture);
        println!("{}", picture.display());
        assert_eq!((look.problems, look.plots), (vec![], 7), "dark: {is_dark}");
    }
}

#[test]
#[ignore = "needs Chromium: `just look`"]
fn faults_of_a_page_are_noticed() {
    let faults = [
        ("<div style=\"width: 2000px\">wide</div>", "wider than the window"),
        ("<script>console.error('oh no')</script>", "oh no"),
        ("<svg viewBox=\"0 0 9 9\"></svg>", "empty"),
        (
            "<svg viewBox=\"0 0 9 9\"><rect width=\"9\" height=\"9\"/><text x=\"-99\">t</text></svg>",
            "beyond",
        ),
        (
            "<svg viewBox=\"0 0 9 9\" style=\"width: 0\"><rect width=\"9\" height=\"9\"/></svg>",
            "no box",
        ),
        ("<div style=\"height: 5100px\"></div><div class=\"tables\">t</div>", "the tables begin"),
        ("<div style=\"height: 890px\"></div><div class=\"card\">c</div>", "below the fold"),
    ];
    let browser = Browser::find();
    for (body, expected) in faults {
        let page = format!("<!DOCTYPE html><html><body>{body}</body></html>");
        let width = if expected == "below the fold" { 1440 } else { 390 };
        let look = browser.look(&page, width, false);
        let found = look.problems.iter().any(|problem| problem.contains(expected));
        assert!(found, "{expected}: {:?}", look.problems);
    }
}
