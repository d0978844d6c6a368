//! `action=Help`: the pages that people read, from the tables by which requests are read.

mod common;

use common::Connector;
use webconnector::aci::{ACI_ACTIONS, SERVICE_ACTIONS};
use webconnector::{config, fetchaction};

#[test]
fn the_page_tells_every_action_and_every_parameter_and_runs_nothing() {
    let connector = Connector::bare();
    let page = connector.get("/action=Help");
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.starts_with("<!DOCTYPE html>") && page.body.ends_with("</html>\n"), "{}", page.body);
    for spec in ACI_ACTIONS {
        assert!(page.body.contains(&format!("<h2 id=\"{0}\">{0}</h2>", spec.name)), "{}", spec.name);
        for param in spec.params {
            assert!(page.body.contains(&format!("<code>{}</code>", param.name)), "{}", param.name);
        }
    }
    let names = fetchaction::PARAMETERS.iter().map(|parameter| parameter.name.to_owned());
    let of_server = config::PARAMETERS.iter().map(|spec| format!("[{}] {}", spec.section, spec.name));
    for name in names.chain(of_server) {
        assert!(page.body.contains(&format!("<td><code>{name}</code></td>")), "{name}");
    }
    assert!(!page.body.contains("<script"), "{}", page.body);
    // Values of tables are text: <DOC:FIELD> and its like are no markup.
    for tag in page.body.split('<').skip(1) {
        let known =
            ["!DOCTYPE", "html", "head", "meta", "title", "style", "body", "h1", "h2", "p>", "a ", "code", "table"];
        let known = known.into_iter().chain(["tr>", "td>", "i>"]);
        let tag = tag.strip_prefix('/').unwrap_or(tag);
        assert!(
            known.into_iter().any(|name| tag.starts_with(name) || tag.starts_with(&name.replace(' ', ">"))),
            "<{tag}"
        );
    }
    // What can be clicked on only tells.
    for link in page.body.split("href=\"/").skip(1) {
        let request = link.split('"').next().unwrap_or_default().replace("&amp;", "&");
        assert_eq!(connector.get(&format!("/{request}")).status, 200, "{request}");
        let action = request.split(['=', '&']).nth(1).unwrap_or_default();
        assert!(action.starts_with("Get") || ["TaskList", "Help"].contains(&action), "{request}");
    }
    assert_eq!(connector.queue(), Vec::<String>::new());
}

#[test]
fn one_action_and_plain_text_are_for_who_asks() {
    let connector = Connector::bare();
    let text = connector.get("/a=help&format=text&actionname=QUEUEINFO");
    assert_eq!(text.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert!(
        text.body.contains("\nQueueInfo\n")
            && text.body.contains("    QueueName: ")
            && text.body.contains("(required)")
    );
    assert!(!text.body.contains("TaskList"), "{}", text.body);
    let example = format!("  curl 'http://localhost:{}/action=QueueInfo&", connector.aci().port());
    assert!(text.body.contains(&example), "{}", text.body);
    // The parameters of tasks are parameters of Fetch.
    assert!(connector.get("/a=help&format=text&actionname=fetch").body.contains("    Depth: "));
    for (query, words) in [("ActionName=Sing", "an action of this port: Fetch, "), ("Format=pdf", "HTML or Text")] {
        let error = connector.error(&format!("action=Help&{query}"));
        assert!(error.errordescription.contains(words), "{error:?}");
    }
}

#[test]
fn the_service_port_tells_of_its_own_actions() {
    let connector = Connector::bare();
    let text = connector.service("action=Help&Format=Text");
    for spec in SERVICE_ACTIONS {
        assert!(text.body.contains(&format!("\n{}\n", spec.name)), "{}", spec.name);
    }
    assert!(!text.body.contains("QueueInfo"), "{}", text.body);
    assert!(connector.service("action=Help").body.starts_with("<!DOCTYPE html>"));
}

#[test]
fn no_licence_is_needed() {
    let connector = Connector::bare();
    let info = connector.ok("action=GetLicenseInfo");
    assert_eq!(info.text("autn:validlicense"), "true");
    let actions = info.all("autn:action");
    assert_eq!(actions.len(), ACI_ACTIONS.len());
    for action in actions {
        assert_eq!(action.text("autn:licensed"), "true", "{action:?}");
    }
}
