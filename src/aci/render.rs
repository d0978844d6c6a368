//! A [`Reply`] as the bytes that a client reads: XML, JSON or simple JSON. Pure; the only user of quick-xml's writer.

mod json;
mod xml;

use super::reply::{Element, Reply};
use crate::action::{BadParam, FromParam};

/// The values of `ResponseFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Format {
    #[default]
    Xml,
    /// Every text is an object with the member `$`.
    Json,
    /// A text is a string, and the prefix `autn:` is dropped.
    SimpleJson,
}

impl FromParam for Format {
    const EXPECTED: &'static str = "xml, json or simplejson";

    fn from_param(text: &str) -> Option<Format> {
        match text.trim().to_ascii_lowercase().as_str() {
            "xml" => Some(Format::Xml),
            "json" => Some(Format::Json),
            "simplejson" => Some(Format::SimpleJson),
            _ => None,
        }
    }
}

impl Format {
    /// Clients with a streaming parser insist on a type that begins with `text/xml` (aci.md 1.4).
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Xml => "text/xml; charset=utf-8",
            Format::Json | Format::SimpleJson => "application/json; charset=utf-8",
        }
    }

    /// The format that `name` asks for; XML if it asks for none.
    pub(super) fn asked(params: &crate::action::Params) -> Result<Format, BadParam> {
        Ok(params.optional("ResponseFormat")?.unwrap_or_default())
    }
}

impl Reply {
    /// As a client reads it that asks for no format; for those who are sent it unasked.
    pub fn to_xml(&self) -> String {
        String::from_utf8_lossy(&render(self, Format::Xml)).into_owned()
    }
}

/// The whole document in `format`.
pub(super) fn render(reply: &Reply, format: Format) -> Vec<u8> {
    let (response, errors);
    let responsedata = match &reply.outcome {
        Ok(elements) => {
            response = reply.state.unwrap_or("SUCCESS");
            elements.as_slice()
        }
        Err(failure) => {
            response = "ERROR";
            // The order is the schema's (aci.md 2.2).
            errors = [Element::parent(
                "error",
                vec![
                    Element::text("errorid", failure.error_id(&reply.action)),
                    Element::text("rawerrorid", failure.raw_error_id()),
                    Element::text("errorstring", failure.string.clone()),
                    Element::text("errordescription", failure.description.clone()),
                    Element::text("errorcode", failure.code.as_str()),
                    Element::value("errortime", failure.time.error_date()),
                ],
            )];
            errors.as_slice()
        }
    };
    let names = if reply.state.is_some() { IN_CAPITALS } else { ORDINARY };
    let envelope = Envelope { names, action: &reply.action, response, responsedata };
    match format {
        Format::Xml => xml::render(&envelope),
        Format::Json => json::render(&envelope, json::Shape::Full),
        Format::SimpleJson => json::render(&envelope, json::Shape::Simple),
    }
}

/// What the three children are called.
struct Names {
    action: &'static str,
    response: &'static str,
    responsedata: &'static str,
}

const ORDINARY: Names = Names { action: "action", response: "response", responsedata: "responsedata" };
const IN_CAPITALS: Names = Names { action: "ACTION", response: "RESPONSE", responsedata: "RESPONSEDATA" };

/// The three children of `autnresponse`, in their order.
struct Envelope<'a> {
    names: Names,
    action: &'a str,
    response: &'static str,
    responsedata: &'a [Element],
}

#[cfg(test)]
mod tests {
    use super::super::reply::{ErrorCode, Failure};
    use super::*;
    use crate::time::Moment;

    fn text(reply: &Reply, format: Format) -> String {
        String::from_utf8_lossy(&render(reply, format)).into_owned()
    }

    fn status_reply() -> Reply {
        let counts = Element::empty("documentcount").attribute("errors", "0").attribute("task", "A&B");
        let action = Element::parent(
            "action",
            vec![
                Element::text("status", "Finished"),
                Element::parent("documentcounts", vec![counts]),
                Element::text("error", "a <b> \u{1} 'c' \"d\"\r"),
            ],
        );
        Reply::success(
            "queueinfo",
            vec![Element::parent("actions", vec![action]), Element::value("autn:pid", 7), Element::text("none", "")],
        )
    }

    #[test]
    fn the_xml_is_one_line_with_the_declaration_in_single_quotes() {
        assert_eq!(
            text(&Reply::success("fetch", vec![Element::text("token", "MTI3")]), Format::Xml),
            "<?xml version='1.0' encoding='UTF-8' ?><autnresponse xmlns:autn='http://schemas.autonomy.com/aci/'>\
             <action>FETCH</action><response>SUCCESS</response><responsedata><token>MTI3</token></responsedata>\
             </autnresponse>"
        );
    }

    #[test]
    fn xml_escapes_and_replaces_what_it_cannot_carry() {
        let xml = text(&status_reply(), Format::Xml);
        let data = xml.split("<responsedata>").nth(1).unwrap_or_default();
        assert_eq!(
            data,
            "<actions><action><status>Finished</status>\
             <documentcounts><documentcount errors=\"0\" task=\"A&amp;B\"/></documentcounts>\
             <error>a &lt;b&gt; \u{FFFD} 'c' \"d\"&#13;</error></action></actions>\
             <autn:pid>7</autn:pid><none/></responsedata></autnresponse>"
        );
        assert!(quick_xml::Reader::from_str(&xml).read_event().is_ok());
    }

    #[test]
    fn an_attribute_keeps_its_line_ends() {
        let failed = Element::text("failed", "PGlk").attribute("message", "a\tb\r\n\u{1}\"c\" < 'd'");
        let xml = text(&Reply::success("x", vec![failed]), Format::Xml);
        let expected = "<failed message=\"a&#9;b&#13;&#10;\u{FFFD}&quot;c&quot; &lt; &apos;d&apos;\">PGlk</failed>";
        assert!(xml.contains(expected), "{xml}");
    }

    #[test]
    fn an_error_has_its_six_fields_in_order() {
        let mut failure = Failure::new(ErrorCode::ParamInvalid, "the token is not known");
        failure.time = Moment::from_epoch_ms(0);
        let time = failure.time.error_date().to_string();
        let xml = text(&Reply::error("QueueInfo", failure), Format::Xml);
        assert!(
            xml.ends_with(&format!(
                "<action>QUEUEINFO</action><response>ERROR</response><responsedata><error>\
                 <errorid>WEBCONNECTORQUEUEINFO525</errorid><rawerrorid>0x20D</rawerrorid>\
                 <errorstring>Invalid parameter</errorstring>\
                 <errordescription>the token is not known</errordescription>\
                 <errorcode>ERRORPARAMINVALID</errorcode><errortime>{time}</errortime>\
                 </error></responsedata></autnresponse>"
            )),
            "{xml}"
        );
    }

    #[test]
    fn json_keeps_prefixes_and_wraps_texts() {
        assert_eq!(
            text(&status_reply(), Format::Json),
            r#"{"autnresponse":{"action":{"$":"QUEUEINFO"},"response":{"$":"SUCCESS"},"responsedata":{"#.to_owned()
                + r#""actions":{"action":[{"status":{"$":"Finished"},"documentcounts":{"documentcount":"#
                + r#"[{"@errors":"0","@task":"A&B"}]},"error":{"$":"a <b> \u0001 'c' \"d\"\r"}}]},"#
                + r#""autn:pid":{"$":"7"},"none":{"$":""}}}}"#
        );
    }

    #[test]
    fn simple_json_has_plain_strings_and_no_prefixes() {
        let json = text(&status_reply(), Format::SimpleJson);
        let value: serde_json::Value = serde_json::from_str(&json).expect("what was rendered is JSON");
        let data = &value["autnresponse"]["responsedata"];
        assert_eq!(value["autnresponse"]["action"], "QUEUEINFO");
        assert_eq!(data["actions"]["action"][0]["status"], "Finished");
        assert_eq!(data["pid"], "7");
    }

    #[test]
    fn repeated_elements_become_one_array_also_when_apart() {
        let reply =
            Reply::success("x", vec![Element::text("a", "1"), Element::text("b", "2"), Element::text("a", "3")]);
        assert!(text(&reply, Format::SimpleJson).ends_with(r#""responsedata":{"a":["1","3"],"b":"2"}}}"#));
    }
}
