//! Form login: a page that stands behind a login form is had by filling the form in, and again when the session has
//! ended.
//!
//! The form is met in two ways: it is what the page's URL answers, or the URL redirects to it. Either way it is filled in
//! and submitted, what follows is gone after, and the page is asked for again. Visitors log in one at a time; those that
//! met the form meanwhile ask again first, since the session is everyone's.
//!
//! Owns nothing of the session but a count: the cookies are the client's. What is typed goes to the hosts of the start
//! pages alone, or to a host that the configuration names in `FormUrlRegex`.

use super::scope::{BadRegex, Filter};
use super::{charset, html};
use crate::client::{Client, ClientError, Conditions, Home, Response, Secret};
use crate::crawl::html::{Control, ControlKind, Form, Method, Selector};
use crate::stop::{StopFlag, Stopped};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;
use std::borrow::Cow;
use url::Url;
use url::form_urlencoded::Serializer;

/// Logins for one page: one, and another if that session ended at once.
const LOGINS_PER_PAGE_MAX: u32 = 2;
/// Refused logins in a row after which the run gives up: servers lock accounts.
const REFUSALS_MAX: u32 = 3;
/// Redirects after a form is submitted that are gone after.
const HOPS_MAX: usize = 10;
const LOG: &str = "synchronize";

/// What a task says about its login form.
pub struct Settings {
    /// `FormUrlRegex`: matches the whole URL of a page with the form.
    pub url: String,
    /// `InputSelectorN` and `InputValueN`; at least one.
    pub inputs: Vec<(Selector, Secret)>,
    /// The button; the form's first if there is none.
    pub submit: Option<Selector>,
    pub home: Home,
}

/// The login of one run, shared by its visitors.
pub struct Login {
    url: Filter,
    pattern: String,
    inputs: Vec<(Selector, Secret)>,
    submit: Option<Selector>,
    home: Home,
    /// Holds one message, which whoever logs in takes out for that time.
    turn: (Sender<()>, Receiver<()>),
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Logins that were accepted.
    sessions: u64,
    refusals_in_a_row: u32,
}

/// Why a page could not be had.
pub(super) enum Denied {
    Client(ClientError),
    /// The form stands in its place, and filling it in did not help.
    Login(String),
}

impl From<ClientError> for Denied {
    fn from(error: ClientError) -> Denied {
        Denied::Client(error)
    }
}

impl From<Stopped> for Denied {
    fn from(_: Stopped) -> Denied {
        Denied::Client(ClientError::Stopped)
    }
}

/// A form that was met: where, and which.
struct Met {
    page: Url,
    charset: &'static str,
    form: Form,
}

impl Login {
    pub fn new(settings: Settings) -> Result<Login, BadRegex> {
        let Settings { url: pattern, inputs, submit, home } = settings;
        let empty = || BadRegex { parameter: "FormUrlRegex", pattern: String::new(), why: "it is empty".to_owned() };
        let url = Filter::new("FormUrlRegex", Some(pattern.clone()))?.ok_or_else(empty)?;
        let turn = bounded(1);
        turn.0.send(()).expect("there is room for one, and the other end is here");
        Ok(Login { url, pattern, inputs, submit, home, turn, state: Mutex::default() })
    }

    /// As [`Client::get`], from behind the form.
    pub(super) fn get(
        &self,
        client: &Client,
        stop: &StopFlag,
        url: &Url,
        conditions: &Conditions,
    ) -> Result<Response, Denied> {
        for logins in 0..=LOGINS_PER_PAGE_MAX {
            if logins > 0 {
                client.wait_for_turn(url)?;
            }
            let sessions = self.state.lock().sessions;
            let response = client.get(url, conditions)?;
            let Some(met) = self.meet(client, stop, url, &response)? else {
                return Ok(response);
            };
            if logins == LOGINS_PER_PAGE_MAX {
                break;
            }
            let is_page_itself = met.page == *url;
            let turn = self.take_turn(stop)?;
            let state = *self.state.lock();
            if state.sessions != sessions {
                // Somebody else has logged in since this page was asked for.
                continue;
            }
            if state.refusals_in_a_row >= REFUSALS_MAX {
                return Err(Denied::Login(format!(
                    "the login form at {} was refused {REFUSALS_MAX} times, and is not tried any more in this run",
                    met.page
                )));
            }
            let accepted = self.submit(client, stop, &met)?;
            {
                let mut state = self.state.lock();
                state.sessions += u64::from(accepted);
                state.refusals_in_a_row = if accepted { 0 } else { state.refusals_in_a_row + 1 };
            }
            drop(turn);
            if !accepted {
                let form = &met.page;
                return Err(Denied::Login(format!("the login form at {form} was filled in, and came back")));
            }
            log::info!(target: LOG, "logged in at {}", met.page);
            if is_page_itself {
                // A page that shows the form also to whoever is logged in is a page like others.
                client.wait_for_turn(url)?;
                return Ok(client.get(url, conditions)?);
            }
        }
        Err(Denied::Login("the login form comes back after each login".to_owned()))
    }

    /// The form, if the response is it or redirects to it.
    fn meet(&self, client: &Client, stop: &StopFlag, url: &Url, response: &Response) -> Result<Option<Met>, Denied> {
        if self.is_form_page(url) {
            return Ok(self.find(url, response, stop)?);
        }
        let to = response.headers.get("location").filter(|_| (300..400).contains(&response.status));
        let Some(page) = to.and_then(|to| crate::url::join(url, to)).filter(|page| self.is_form_page(page)) else {
            return Ok(None);
        };
        client.wait_for_turn(&page)?;
        let form_page = client.get(&page, &Conditions::default())?;
        Ok(self.find(&page, &form_page, stop)?)
    }

    fn is_form_page(&self, url: &Url) -> bool {
        self.is_told(url) && self.url.matches(url.as_str())
    }

    /// Whether what is typed may go there.
    fn is_told(&self, url: &Url) -> bool {
        // Without the backslashes that keep its dots from meaning anything.
        let pattern = self.pattern.replace('\\', "");
        let names = |host: &str| {
            let named = format!("://{host}");
            let goes_on = |each: char| each.is_ascii_alphanumeric() || matches!(each, '-' | '.');
            pattern.match_indices(&named).any(|(at, _)| !pattern[at + named.len()..].starts_with(goes_on))
        };
        self.home.includes(url) || url.scheme() == "https" && url.host_str().is_some_and(names)
    }

    /// The first form of a page in which every selector finds its control.
    fn find(&self, page: &Url, response: &Response, stop: &StopFlag) -> Result<Option<Met>, Stopped> {
        let decoded = charset::decode(&response.body, response.headers.get("content-type"));
        let forms = html::forms(&decoded.text, stop)?;
        let has =
            |form: &Form, selector: &Selector| form.controls.iter().any(|control| selector.matches_alone(control));
        let form = forms.into_iter().find(|form| {
            self.inputs.iter().map(|(selector, _)| selector).chain(&self.submit).all(|selector| has(form, selector))
        });
        Ok(form.map(|form| Met { page: page.clone(), charset: decoded.charset, form }))
    }

    /// Waits until nobody else logs in.
    fn take_turn(&self, stop: &StopFlag) -> Result<Turn<'_>, Stopped> {
        select! {
            recv(self.turn.1) -> _ => Ok(Turn(&self.turn.0)),
            recv(stop.signal()) -> _ => Err(Stopped),
        }
    }

    /// Fills the form in, submits it and goes after what follows. Whether it was accepted: what comes is not the form.
    fn submit(&self, client: &Client, stop: &StopFlag, met: &Met) -> Result<bool, Denied> {
        let form = &met.form;
        let failed = |why: &str| Denied::Login(format!("the login form at {} cannot be submitted: {why}", met.page));
        let action =
            if form.action.is_empty() { Some(met.page.clone()) } else { crate::url::join(&met.page, &form.action) };
        let action = action.ok_or_else(|| failed("its action is no web address"))?;
        if !self.is_told(&action) {
            let host = action.host_str().unwrap_or_default();
            return Err(failed(&format!(
                "it leads to {host}, which is neither a start page's host nor in FormUrlRegex"
            )));
        }
        let filled = self.fill(form, met.charset);
        client.wait_for_turn(&action)?;
        let mut response = match form.method {
            Method::Get => {
                let mut action = action.clone();
                action.set_query(Some(&filled));
                client.get(&action, &Conditions::default())?
            }
            Method::Post if form.enctype == "multipart/form-data" || form.enctype == "text/plain" => {
                return Err(failed(&format!("its enctype is {}", form.enctype)));
            }
            Method::Post => client.post(&action, "application/x-www-form-urlencoded", filled.as_bytes())?,
        };
        let mut at = action;
        for _ in 0..HOPS_MAX {
            // What was typed is sent once: a 307 or 308 asks for it to be sent on.
            let to = response.headers.get("location").filter(|_| matches!(response.status, 301..=303));
            let Some(next) = to.and_then(|to| crate::url::join(&at, to)) else { break };
            client.wait_for_turn(&next)?;
            response = client.get(&next, &Conditions::default())?;
            at = next;
        }
        if response.status >= 500 {
            return Err(failed(&format!("the server answers with status {}", response.status)));
        }
        Ok(response.status < 400 && self.find(&at, &response, stop)?.is_none())
    }

    /// The form's data set, as browsers make it: hidden fields and presets, what the task types, and one button.
    fn fill(&self, form: &Form, charset: &str) -> String {
        let encoding = encoding_rs::Encoding::for_label(charset.as_bytes()).unwrap_or(encoding_rs::UTF_8);
        let encode: &dyn Fn(&str) -> Cow<'_, [u8]> = &|text| Cow::Owned(encoding.encode(text).0.into_owned());
        let is_button = |control: &&Control| control.kind == ControlKind::Submit;
        let button = match &self.submit {
            Some(selector) => form.controls.iter().filter(is_button).find(|control| selector.matches_alone(*control)),
            None => form.controls.iter().find(is_button),
        };
        let mut typed = vec![None; form.controls.len()];
        for (selector, value) in &self.inputs {
            if let Some(place) = form.controls.iter().position(|control| selector.matches_alone(control)) {
                typed[place] = Some(value.reveal());
            }
        }
        let mut filled = Serializer::new(String::new());
        filled.encoding_override(Some(encode));
        for (control, typed) in form.controls.iter().zip(typed) {
            if control.name().is_empty() {
                continue;
            }
            match (control.kind, typed) {
                (ControlKind::Plain, typed) => {
                    filled.append_pair(control.name(), typed.unwrap_or(&control.value));
                }
                (ControlKind::Box { checked }, typed) => {
                    if typed.map_or(checked, |typed| !matches!(typed.to_ascii_lowercase().as_str(), "" | "false" | "0"))
                    {
                        filled.append_pair(control.name(), &control.value);
                    }
                }
                (ControlKind::Submit, _) if button.is_some_and(|button| std::ptr::eq(button, control)) => {
                    filled.append_pair(control.name(), &control.value);
                }
                (ControlKind::Submit | ControlKind::Inert, _) => {}
            }
        }
        filled.finish()
    }
}

/// Whoever holds it logs in; given back when dropped, also by a panic.
struct Turn<'a>(&'a Sender<()>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // There is room: this is the message that was taken out.
        let _ = self.0.try_send(());
    }
}
