//! The README's tables are those of the code. `UPDATE_README=1 cargo test --test readme` writes them anew.

use std::fmt::Write as _;
use webconnector::aci::{ACI_ACTIONS, ActionSpec, SERVICE_ACTIONS, STANDARD_PARAMS};
use webconnector::crawl::page::FIELDS;
use webconnector::{config, fetchaction};

type Tested = Result<(), Box<dyn std::error::Error>>;

#[test]
fn the_tables_are_those_of_the_code() -> Tested {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path)?;
    let tables = [
        ("actions", actions(ACI_ACTIONS)),
        ("service actions", actions(SERVICE_ACTIONS)),
        ("standard parameters", standard_parameters()),
        ("task parameters", task_parameters()),
        ("parameters", parameters()),
        ("handlers", handlers()),
        ("fields", fields()),
    ];
    let mut current = readme.clone();
    for (name, table) in &tables {
        let (begin, end) = (format!("<!-- table: {name} -->\n"), "<!-- end -->");
        let start =
            current.find(&begin).ok_or_else(|| format!("README.md has no mark for the table {name}"))? + begin.len();
        let length = current[start..].find(end).ok_or_else(|| format!("the table {name} has no end"))?;
        current.replace_range(start..start + length, table);
    }
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, &current)?;
    } else {
        assert!(
            current == readme,
            "a table of README.md is not that of the code: UPDATE_README=1 cargo test --test readme"
        );
    }
    Ok(())
}

fn actions(table: &[ActionSpec]) -> String {
    let mut text = "| action | role | what it does | its parameters |\n| --- | --- | --- | --- |\n".to_owned();
    for action in table {
        let params: Vec<String> = action
            .params
            .iter()
            .map(|param| {
                let required = if param.required { " (required)" } else { "" };
                format!("`{}`{required}: {}", param.name, param.summary)
            })
            .collect();
        let (summary, params) = (cell(action.summary), cell(&params.join("<br>")));
        let _ = writeln!(text, "| `{}` | {} | {summary} | {params} |", action.name, action.role);
    }
    text
}

fn standard_parameters() -> String {
    let mut text = "| parameter | what it does |\n| --- | --- |\n".to_owned();
    for parameter in STANDARD_PARAMS {
        let _ = writeln!(text, "| `{}` | {} |", parameter.name, cell(parameter.summary));
    }
    text
}

fn task_parameters() -> String {
    let mut text = "| parameter | default | what it does |\n| --- | --- | --- |\n".to_owned();
    for parameter in fetchaction::PARAMETERS {
        let ours = if parameter.is_ours { " ¹" } else { "" };
        let _ = writeln!(
            text,
            "| `{}`{ours} | {} | {} |",
            parameter.name,
            code(parameter.default),
            cell(parameter.summary)
        );
    }
    text
}

fn parameters() -> String {
    let mut text = "| section | parameter | default | what it does |\n| --- | --- | --- | --- |\n".to_owned();
    for parameter in config::PARAMETERS {
        let config::ParameterSpec { section, name, default, summary, .. } = parameter;
        let _ = writeln!(text, "| `[{section}]` | `{name}` | {} | {} |", code(default), cell(summary));
    }
    text
}

fn handlers() -> String {
    let mut text = "| handler | parameter | default | what it does |\n| --- | --- | --- | --- |\n".to_owned();
    for parameter in config::HANDLER_PARAMETERS {
        let config::ParameterSpec { section, name, default, summary, .. } = parameter;
        let handler = if section.is_empty() { "both".to_owned() } else { code(section) };
        let _ = writeln!(text, "| {handler} | `{name}` | {} | {} |", code(default), cell(summary));
    }
    text
}

fn fields() -> String {
    let mut text = "| field | what it holds |\n| --- | --- |\n".to_owned();
    for (name, summary) in FIELDS.iter().chain(fetchaction::FIELDS) {
        let _ = writeln!(text, "| `{name}` | {} |", cell(summary));
    }
    text
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
