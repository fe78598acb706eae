//! `otter-server check`: every precondition of every pipeline, with what mends those that fail.
//!
//! It changes nothing, and a database that does not answer is a finding like others.

use std::fmt::Write;

use otter_core::Verdict;
use serde_json::{Value, json};

use crate::config::Config;
use crate::exit::Exit;
use crate::preflight::{self, Report};
use crate::terminal::{Colour, is_terminal, paint, write};

/// Prints the findings of all pipelines; [`Exit::Failed`] where one fails.
pub(crate) async fn check(config: &Config, format: CheckFormat) -> Exit {
    let mut reports = Vec::with_capacity(config.pipelines.len());
    for pipeline in &config.pipelines {
        reports.push(preflight::look(config, pipeline).await);
    }
    write(&match format {
        CheckFormat::Text => as_text(&reports, is_terminal()),
        CheckFormat::Json => format!("{:#}\n", as_json(&reports)),
    });
    if count(&reports, Verdict::Fail) == 0 { Exit::Done } else { Exit::Failed }
}

/// What the findings are printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn as_text(reports: &[Report], is_terminal: bool) -> String {
    let mut text = String::new();
    for report in reports {
        let title = format!(
            "pipeline {} of channel {}: {} → {}",
            report.pipeline, report.channel, report.from, report.to
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", paint(Colour::Bold, &title, is_terminal));
        for noted in &report.findings {
            let finding = &noted.finding;
            let verdict = format!("{:<4}", finding.verdict);
            let verdict = paint(Colour::of(finding.verdict), &verdict, is_terminal);
            let _ = write!(text, "  {verdict}  {}: {}", noted.about, finding.what);
            if !finding.detail.is_empty() {
                let _ = write!(text, ": {}", finding.detail);
            }
            text.push('\n');
            for line in finding.remedy.iter().flat_map(|remedy| remedy.lines()) {
                let _ = writeln!(text, "          {}", paint(Colour::Cyan, line, is_terminal));
            }
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{} pass, {} warn, {} fail",
        count(reports, Verdict::Pass),
        count(reports, Verdict::Warn),
        count(reports, Verdict::Fail)
    );
    text
}

fn as_json(reports: &[Report]) -> Value {
    let pipelines: Vec<Value> = reports
        .iter()
        .map(|report| {
            let findings: Vec<Value> = report
                .findings
                .iter()
                .map(|noted| {
                    json!({
                        "about": noted.about.to_string(),
                        "verdict": noted.finding.verdict.to_string(),
                        "what": noted.finding.what,
                        "detail": noted.finding.detail,
                        "remedy": noted.finding.remedy,
                    })
                })
                .collect();
            json!({
                "pipeline": report.pipeline,
                "channel": report.channel,
                "from": report.from,
                "to": report.to,
                "findings": findings,
            })
        })
        .collect();
    json!({
        "pass": count(reports, Verdict::Pass),
        "warn": count(reports, Verdict::Warn),
        "fail": count(reports, Verdict::Fail),
        "pipelines": pipelines,
    })
}

fn count(reports: &[Report], verdict: Verdict) -> usize {
    let findings = reports.iter().flat_map(|report| &report.findings);
    findings.filter(|noted| noted.finding.verdict == verdict).count()
}

#[cfg(test)]
mod tests {
    use otter_core::Finding;

    use super::*;
    use crate::preflight::{About, Noted};

    fn report() -> Report {
        let noted = |about, finding| Noted { about, finding };
        Report {
            pipeline: "a-b".into(),
            channel: "shop".into(),
            from: "a".into(),
            to: "b".into(),
            findings: vec![
                noted(About::Source, Finding::pass("binlog is on")),
                noted(
                    About::Source,
                    Finding::fail("row image is FULL", "it is MINIMAL", "SET GLOBAL x;\nand y"),
                ),
                noted(About::Target, Finding::warn("clock", "off by 3 s", "mend it")),
            ],
        }
    }

    #[test]
    fn findings_are_printed_with_their_remedy_below() {
        let text = "\
pipeline a-b of channel shop: a → b
  pass  source: binlog is on
  fail  source: row image is FULL: it is MINIMAL
          SET GLOBAL x;
          and y
  warn  target: clock: off by 3 s
          mend it

1 pass, 1 warn, 1 fail
";
        assert_eq!(as_text(&[report()], false), text);
    }

    #[test]
    fn findings_as_json_say_the_same() {
        let json = as_json(&[report()]);
        assert_eq!(json["fail"], 1);
        let finding = &json["pipelines"][0]["findings"][1];
        assert_eq!(finding["verdict"], "fail");
        assert_eq!(finding["about"], "source");
        assert_eq!(finding["remedy"], "SET GLOBAL x;\nand y");
        assert_eq!(json["pipelines"][0]["findings"][0]["remedy"], Value::Null);
    }
}
