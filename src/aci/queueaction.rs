//! `action=QueueInfo` as a type: what is asked of a queue, of which of its actions, and in which order they are told.

use crate::action::{BadParam, Filter, Params, Problem, Query, Span, Token};
use crate::time::Moment;

/// What `action=QueueInfo` asks of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueAction {
    /// One action or, without a token, every action of the queue, as far as the query has them.
    GetStatus {
        token: Option<Token>,
        query: Query,
    },
    Command(QueueCommand),
    /// How the queue stands as a whole.
    QueueStatus,
    /// How far one action or, without a token, every running one is.
    Progress {
        token: Option<Token>,
        /// Levels of stages told below the action; `None` is no limit.
        depth_max: Option<u64>,
        /// Stages to come are told too, and ended ones each by itself.
        all_stages: bool,
    },
    /// With what one action or, without a token, every action that has not ended was submitted.
    GetActionParameters(Option<Token>),
    /// Only of an action that has not ended.
    Duplicate(Token),
}

/// What changes actions; each of those that it is about is told in the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueCommand {
    /// Only actions that have not started; a running one is stopped instead.
    Cancel(Which),
    /// `None` is every running action of the queue.
    Stop(Option<Which>),
    /// Only actions that have ended.
    Delete(Which),
    /// A running action or, without a token, the queue with all that runs.
    Pause(Option<Token>),
    /// A paused action or, without a token, the queue with all that is paused.
    Resume(Option<Token>),
    /// Only of an action that has not started.
    ChangePriority { token: Token, priority: i64 },
}

/// The actions that a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// This one: if the command is not for it, that is an error.
    One(Token),
    /// Those that match; others, which the command is not for, are passed over.
    Matching(Filter),
}

/// The values of `QueueAction`, as errors and help tell them.
pub(super) const QUEUE_ACTIONS: &str = "GetStatus, Cancel, Stop, Pause, Resume, ChangePriority, QueueStatus, Progress, \
                                        GetActionParameters, Duplicate or Delete";

const FILTERS: [&str; 9] = [
    "State",
    "Queued-After",
    "Queued-Before",
    "Started-After",
    "Started-Before",
    "Finished-After",
    "Finished-Before",
    "Min-Priority",
    "Max-Priority",
];

/// The parameters of a list that has an order and pages.
const PAGING: [&str; 4] = ["Sort-By", "Sort-Order", "MaxResults", "Start"];

impl QueueAction {
    /// Reads what is asked at `now`, from which times back are counted.
    pub(super) fn parse(params: &Params, now: Moment) -> Result<QueueAction, BadParam> {
        let name: String = params.required("QueueAction")?;
        let name = name.trim();
        let token = || params.optional::<Token>("Token");
        match name.to_ascii_lowercase().as_str() {
            "getstatus" => Ok(QueueAction::GetStatus { token: token()?, query: query(params, now)? }),
            "queuestatus" => Ok(QueueAction::QueueStatus),
            "progress" => Ok(QueueAction::Progress {
                token: token()?,
                depth_max: params.optional("MaxDepth")?,
                all_stages: params.optional("AllStages")?.unwrap_or(false),
            }),
            "getactionparameters" => Ok(QueueAction::GetActionParameters(token()?)),
            "duplicate" => {
                refuse_lists(params, "Duplicate")?;
                Ok(QueueAction::Duplicate(params.required("Token")?))
            }
            _ => QueueCommand::parse(name, params, now).map(QueueAction::Command),
        }
    }
}

impl QueueCommand {
    fn parse(name: &str, params: &Params, now: Moment) -> Result<QueueCommand, BadParam> {
        let target = |command| refuse_lists(params, command).and_then(|()| params.optional::<Token>("Token"));
        match name.to_ascii_lowercase().as_str() {
            "cancel" => Ok(QueueCommand::Cancel(which(params, "Cancel", now)?.ok_or_else(missing_which)?)),
            "stop" => Ok(QueueCommand::Stop(which(params, "Stop", now)?)),
            "delete" => Ok(QueueCommand::Delete(which(params, "Delete", now)?.ok_or_else(missing_which)?)),
            "pause" => Ok(QueueCommand::Pause(target("Pause")?)),
            "resume" => Ok(QueueCommand::Resume(target("Resume")?)),
            "changepriority" => {
                refuse_lists(params, "ChangePriority")?;
                let (token, priority) = (params.required("Token")?, params.required("Priority")?);
                Ok(QueueCommand::ChangePriority { token, priority })
            }
            _ => Err(BadParam::unreadable("QueueAction", name, QUEUE_ACTIONS)),
        }
    }
}

/// The actions that a command names, one way or the other; `None` if it names none.
fn which(params: &Params, command: &str, now: Moment) -> Result<Option<Which>, BadParam> {
    // Whoever gives one of these means fewer actions than the command would reach without it.
    refuse(params, command, PAGING.into_iter().chain(["Priority"]))?;
    let filter = filter(params, now)?;
    let Some(token) = params.optional("Token")? else {
        return Ok((filter != Filter::default()).then_some(Which::Matching(filter)));
    };
    refuse(params, &format!("{command} with a Token"), FILTERS)?;
    Ok(Some(Which::One(token)))
}

fn missing_which() -> BadParam {
    BadParam { name: "Token, or a filter such as State,".to_owned(), problem: Problem::Missing }
}

/// For commands that change one action or all: a filter that is ignored would have them change too much.
fn refuse_lists(params: &Params, command: &str) -> Result<(), BadParam> {
    refuse(params, command, FILTERS.into_iter().chain(PAGING))
}

fn refuse(params: &Params, command: &str, names: impl IntoIterator<Item = &'static str>) -> Result<(), BadParam> {
    for name in names {
        if let Some(value) = params.get(name).filter(|value| !value.is_empty()) {
            let expected = format!("nothing: it does not belong to QueueAction={command}");
            return Err(BadParam::unreadable(name, value, expected));
        }
    }
    Ok(())
}

fn query(params: &Params, now: Moment) -> Result<Query, BadParam> {
    let number = |name| -> Result<Option<usize>, BadParam> {
        let number: Option<u64> = params.optional(name)?;
        Ok(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    };
    let start = number("Start")?.unwrap_or(1);
    let skipped =
        start.checked_sub(1).ok_or_else(|| BadParam::unreadable("Start", "0", "a whole number, 1 or more"))?;
    Ok(Query {
        filter: filter(params, now)?,
        sort_by: params.optional("Sort-By")?.unwrap_or_default(),
        sort_order: params.optional("Sort-Order")?.unwrap_or_default(),
        skipped,
        told_max: number("MaxResults")?,
    })
}

fn filter(params: &Params, now: Moment) -> Result<Filter, BadParam> {
    let time = |name| -> Result<Option<Moment>, BadParam> {
        let Some(text) = params.get(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let expected = "a time such as 2026-Nov-20 09:00:00, 2026-11-20 09:00:00, 20/11/2026 or seconds since 1970, \
                        or, negative, seconds before now";
        Moment::read(text, now).map(Some).ok_or_else(|| BadParam::unreadable(name, text, expected))
    };
    let span = |after, before| Ok(Span { after: time(after)?, before: time(before)? });
    Ok(Filter {
        states: params.optional("State")?,
        queued: span("Queued-After", "Queued-Before")?,
        started: span("Started-After", "Started-Before")?,
        ended: span("Finished-After", "Finished-Before")?,
        priority_min: params.optional("Min-Priority")?,
        priority_max: params.optional("Max-Priority")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{FromParam as _, SortBy, SortOrder, States, Status};

    const TOKEN: &str = "MTAuMi4xMDUuMzQ6MTIzNDpGRVRDSDoxNDAyOTU3MzY4";

    /// Reads `QueueAction=...` and what follows, at 100 seconds after 1970; `T` stands for the token.
    fn parsed(form: &str) -> Result<QueueAction, String> {
        let params = Params::from_form(&format!("QueueAction={form}").replace("Token=T", &format!("Token={TOKEN}")));
        QueueAction::parse(&params, Moment::from_epoch_ms(100_000)).map_err(|bad| bad.to_string())
    }

    fn token() -> Token {
        Token::parse(TOKEN).expect("it is a token")
    }

    #[test]
    fn each_queue_action_is_read_in_any_case() {
        let status = |token| QueueAction::GetStatus { token, query: Query::default() };
        let one = || Which::One(token());
        let queued = || Which::Matching(Filter { states: Some(States(vec![Status::Queued])), ..Filter::default() });
        let progress = |token, depth_max, all_stages| QueueAction::Progress { token, depth_max, all_stages };
        let cases = [
            ("GETSTATUS", status(None)),
            ("getstatus&token=", status(None)),
            ("GetStatus&Token=T", status(Some(token()))),
            ("cancel&Token=T", QueueAction::Command(QueueCommand::Cancel(one()))),
            ("cancel&state=queued", QueueAction::Command(QueueCommand::Cancel(queued()))),
            ("stop", QueueAction::Command(QueueCommand::Stop(None))),
            ("stop&Token=T", QueueAction::Command(QueueCommand::Stop(Some(one())))),
            ("Stop&State=QUEUED", QueueAction::Command(QueueCommand::Stop(Some(queued())))),
            ("Delete&Token=T", QueueAction::Command(QueueCommand::Delete(one()))),
            ("pause", QueueAction::Command(QueueCommand::Pause(None))),
            ("Pause&Token=T", QueueAction::Command(QueueCommand::Pause(Some(token())))),
            ("resume", QueueAction::Command(QueueCommand::Resume(None))),
            ("Resume&Token=T", QueueAction::Command(QueueCommand::Resume(Some(token())))),
            (
                "ChangePriority&Token=T&Priority=-7",
                QueueAction::Command(QueueCommand::ChangePriority { token: token(), priority: -7 }),
            ),
            ("queueStatus", QueueAction::QueueStatus),
            ("progress", progress(None, None, false)),
            ("progress&Token=T&MaxDepth=0&AllStages=true", progress(Some(token()), Some(0), true)),
            ("getActionParameters", QueueAction::GetActionParameters(None)),
            ("getActionParameters&Token=T", QueueAction::GetActionParameters(Some(token()))),
            ("duplicate&Token=T", QueueAction::Duplicate(token())),
        ];
        for (form, expected) in cases {
            assert_eq!(parsed(form), Ok(expected), "{form}");
        }
    }

    #[test]
    fn a_query_is_read_from_its_parameters() {
        let form = "getstatus&State=finished,Error&Queued-After=-60&Started-Before=90&Finished-After=1970-01-01\
                    &Min-Priority=-1&Max-Priority=5&Sort-By=Finish-Time&Sort-Order=ASCENDING&MaxResults=10&Start=11";
        let Ok(QueueAction::GetStatus { token: None, query }) = parsed(form) else { panic!("{:?}", parsed(form)) };
        let at = |seconds: i64| Some(Moment::from_epoch_ms(seconds * 1_000));
        assert_eq!(query.filter.states, Some(States(vec![Status::Finished, Status::Error])));
        assert_eq!(query.filter.queued, Span { after: at(40), before: None });
        assert_eq!(query.filter.started, Span { after: None, before: at(90) });
        assert!(query.filter.ended.after.is_some() && query.filter.ended.before.is_none());
        assert_eq!((query.filter.priority_min, query.filter.priority_max), (Some(-1), Some(5)));
        assert_eq!((query.sort_by, query.sort_order), (SortBy::FinishTime, SortOrder::Ascending));
        assert_eq!((query.skipped, query.told_max), (10, Some(10)));
    }

    #[test]
    fn a_mistake_names_its_parameter_and_what_is_expected() {
        let cases = [
            ("", "QueueAction is required"),
            ("jump", "\"jump\"; expected is GetStatus, Cancel, Stop"),
            ("cancel", "Token, or a filter such as State, is required"),
            ("delete", "Token, or a filter such as State, is required"),
            ("cancel&Token=x", "expected is a token"),
            ("getstatus&State=done", "State is \"done\"; expected is Queued, Processing"),
            ("getstatus&Queued-After=soon", "Queued-After is \"soon\"; expected is a time such as"),
            ("getstatus&Min-Priority=high", "Min-Priority is \"high\"; expected is a whole number"),
            ("getstatus&Sort-By=size", "Sort-By is \"size\"; expected is queue-time, start-time"),
            ("getstatus&Sort-Order=up", "Sort-Order is \"up\"; expected is ascending or descending"),
            ("getstatus&MaxResults=-1", "MaxResults is \"-1\"; expected is a whole number, 0 or more"),
            ("getstatus&Start=0", "Start is \"0\"; expected is a whole number, 1 or more"),
            ("changepriority&Token=T", "Priority is required"),
            ("changepriority&Priority=1", "Token is required"),
            ("changepriority&Token=T&Priority=high", "Priority is \"high\""),
            ("duplicate", "Token is required"),
            ("progress&MaxDepth=deep", "MaxDepth is \"deep\""),
            ("progress&AllStages=some", "AllStages is \"some\"; expected is true or false"),
            // What is not carried out must not look as if it were.
            ("cancel&State=queued&MaxResults=1", "it does not belong to QueueAction=Cancel"),
            ("stop&Priority=1", "it does not belong to QueueAction=Stop"),
            ("delete&Token=T&State=finished", "it does not belong to QueueAction=Delete with a Token"),
            ("pause&State=processing", "it does not belong to QueueAction=Pause"),
            ("resume&Min-Priority=1", "it does not belong to QueueAction=Resume"),
        ];
        for (form, words) in cases {
            let error = parsed(form).expect_err(form);
            assert!(error.contains(words), "{form}: {error}");
        }
    }

    #[test]
    fn the_expected_values_of_a_state_are_those_that_are_read() {
        for status in Status::ALL {
            assert!(States::EXPECTED.contains(status.as_str()), "{status}");
        }
    }
}
