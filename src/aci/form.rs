//! The forms in which a request spells its parameters (aci.md 1.1, 1.2), read into one list. Pure.

use super::multipart;
use crate::action::Params;
use url::form_urlencoded;

/// Parameters of one request. Far more than any action has, and few enough that a body of nothing but separators
/// costs no more memory than its own.
const PARAMS_MAX: usize = 1000;

/// A request whose parameters cannot be read. Nothing of it was used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadForm {
    #[error(
        "a body of the type \"{content_type}\" is not supported; send the parameters as \
         application/x-www-form-urlencoded, as multipart/form-data or in the URL"
    )]
    UnknownType { content_type: String },
    #[error("the multipart/form-data body is malformed: {0}")]
    Multipart(&'static str),
    #[error("there are more than {params_max} parameters")]
    TooMany { params_max: usize },
}

/// What a request asks for: the value of its `action`, and everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// As it was spelled; `None` if the request names no action.
    pub(super) action: Option<String>,
    pub(super) params: Params,
}

/// Reads the parameters of a request target in origin form (`/action=X&a=b`, `/?action=X&a=b`) and then of its body,
/// whatever the method. `+` is a space, a malformed percent sequence stands for itself, bytes that are no UTF-8
/// become U+FFFD, empty pairs are nothing.
pub(super) fn read(target: &str, content_type: Option<&str>, body: &[u8]) -> Result<Asked, BadForm> {
    let mut pairs = Pairs::default();
    pairs.add(form_urlencoded::parse(query(target).as_bytes()).into_owned().map(Ok))?;
    if !body.is_empty() {
        let content_type = content_type.unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match media_type.to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => {
                // A file that is sent as it is often ends with a line end.
                pairs.add(form_urlencoded::parse(body.trim_ascii_end()).into_owned().map(Ok))?;
            }
            // One client library sends pairs as text/plain, others name no type; the oldest form has a pair in each
            // line.
            "" | "text/plain" => {
                for line in body.split(|byte| matches!(byte, b'\r' | b'\n')) {
                    pairs.add(form_urlencoded::parse(line).into_owned().map(Ok))?;
                }
            }
            "multipart/form-data" => {
                let boundary = multipart::boundary(content_type).ok_or(BadForm::Multipart("it has no boundary"))?;
                pairs.add(multipart::parts(body, &boundary).map(|part| part.map_err(BadForm::Multipart)))?;
            }
            _ => return Err(BadForm::UnknownType { content_type: media_type.chars().take(100).collect() }),
        }
    }
    Ok(take_action(pairs.0))
}

/// Names and values, up to the limit.
#[derive(Default)]
struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn add(&mut self, pairs: impl Iterator<Item = Result<(String, String), BadForm>>) -> Result<(), BadForm> {
        for pair in pairs {
            if self.0.len() == PARAMS_MAX {
                return Err(BadForm::TooMany { params_max: PARAMS_MAX });
            }
            self.0.push(pair?);
        }
        Ok(())
    }
}

/// The parameters within the target. Everything after the slash is one, but some clients add a query of their own
/// behind it (`/a=X?b=c`): a question mark in the first pair ends that pair, as no action's name has one.
fn query(target: &str) -> String {
    let text = target.trim_start_matches('/');
    let text = text.strip_prefix('?').unwrap_or(text);
    let first_end = text.find('&').unwrap_or(text.len());
    match text[..first_end].split_once('?') {
        Some((action, rest)) => format!("{action}&{rest}{}", &text[first_end..]),
        None => text.to_owned(),
    }
}

/// The action is the first parameter, `action` or `a`. An `action` that comes later is found too: which of its `-d`
/// options a client sends first is not worth an error.
fn take_action(mut pairs: Vec<(String, String)>) -> Asked {
    let is_action = |name: &str| name.eq_ignore_ascii_case("action");
    let at = match pairs.first() {
        Some((name, _)) if is_action(name) || name.eq_ignore_ascii_case("a") => Some(0),
        _ => pairs.iter().position(|(name, _)| is_action(name)),
    };
    let action = at.map(|at| pairs.remove(at).1.trim().to_owned()).filter(|action| !action.is_empty());
    Asked { action, params: pairs.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(target: &str, content_type: Option<&str>, body: &str) -> (String, Vec<(String, String)>) {
        let asked = read(target, content_type, body.as_bytes()).expect("the form is a known one");
        let params = asked.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        (asked.action.unwrap_or_default(), params)
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_form_of_the_url_is_read() {
        for target in ["/action=X&b=c", "/?action=X&b=c", "/a=X&b=c", "/?A=X&b=c", "/a=X?b=c", "/&&action=X&&b=c&"] {
            assert_eq!(asked(target, None, ""), ("X".to_owned(), pairs(&[("b", "c")])), "{target}");
        }
        assert_eq!(asked("/?b=c&action=X", None, ""), ("X".to_owned(), pairs(&[("b", "c")])));
        // Only the first parameter may call itself `a`, and a question mark in a value is a question mark.
        assert_eq!(
            asked("/action=X&u=http://h/?q=1&a=1", None, ""),
            ("X".to_owned(), pairs(&[("u", "http://h/?q=1"), ("a", "1")]))
        );
        for target in ["/", "/favicon.ico", "/action=", "/?a"] {
            assert_eq!(asked(target, None, "").0, "", "{target}");
        }
    }

    #[test]
    fn a_body_is_merged_after_the_url() {
        let form = Some("application/x-www-form-urlencoded; charset=utf-8");
        let expected = ("X".to_owned(), pairs(&[("b", "1"), ("b", "2 3"), ("c", "")]));
        assert_eq!(asked("/action=X&b=1", form, "b=2+3&c=\r\n"), expected);
        assert_eq!(asked("/action=X&b=1", None, "b=2%203&c"), expected);
        assert_eq!(asked("/", Some("text/plain; charset=ISO-8859-1"), "action=X&b=1&b=2+3&c="), expected);
        assert_eq!(asked("/", Some("TEXT/PLAIN"), "action=X\r\nb=1\r\nb=2+3\nc=\n"), expected);
    }

    #[test]
    fn what_is_malformed_is_kept_or_replaced() {
        assert_eq!(
            asked("/a=X&b=100%&c=%zz%2&d=%FF", None, "").1,
            pairs(&[("b", "100%"), ("c", "%zz%2"), ("d", "\u{FFFD}")])
        );
        assert_eq!(asked("/a=X&b=%2B+%C3%A9", None, "").1, pairs(&[("b", "+ é")]));
    }

    #[test]
    fn a_multipart_body_is_merged_too() {
        let form = Some("multipart/form-data; boundary=x");
        let body = "--x\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n1&2+%33\r\n--x--\r\n";
        assert_eq!(asked("/a=X&a=1", form, body), ("X".to_owned(), pairs(&[("a", "1"), ("b", "1&2+%33")])));
        let bad = read("/a=X", Some("multipart/form-data"), b"--x--");
        assert_eq!(bad, Err(BadForm::Multipart("it has no boundary")));
        assert!(matches!(read("/a=X", form, b"--y--"), Err(BadForm::Multipart(_))));
    }

    #[test]
    fn other_types_and_floods_are_refused() {
        let refused = read("/a=X", Some("application/JSON; charset=utf-8"), b"{}");
        assert_eq!(refused, Err(BadForm::UnknownType { content_type: "application/JSON".to_owned() }));
        assert!(read("/a=X", Some("application/json"), b"").is_ok());

        let flood = Err(BadForm::TooMany { params_max: PARAMS_MAX });
        assert_eq!(read("/a=X", None, "a&".repeat(PARAMS_MAX).as_bytes()), flood);
        assert_eq!(read("/a=X", None, "a\n".repeat(PARAMS_MAX).as_bytes()), flood);
        assert!(read("/a=X", None, "&\n".repeat(PARAMS_MAX).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_read_back(names in prop::collection::vec(("[^?]*", ".*"), 0..5)) {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&names).finish();
            let expected: Params = names.into_iter().collect();
            let target = if form.is_empty() { "/a=X".to_owned() } else { format!("/a=X&{form}") };
            prop_assert_eq!(read(&target, None, b"").map(|asked| asked.params), Ok(expected.clone()));
            prop_assert_eq!(read("/a=X", None, form.as_bytes()).map(|asked| asked.params), Ok(expected));
        }
    }
}
