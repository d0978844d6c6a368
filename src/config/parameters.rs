//! Every parameter of the server's own sections, and those of the reference that have no effect here.
//! The parameters of tasks are declared where tasks are read.

/// A parameter as the manual shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterSpec {
    pub section: &'static str,
    pub name: &'static str,
    /// In words if it depends on something.
    pub default: &'static str,
    pub summary: &'static str,
}

/// The parameters that the server reads, section by section. `[Fetch]` takes those of `[Actions]` and wins.
pub const PARAMETERS: &[ParameterSpec] = &[
    spec("Server", "Host", HOST_DEFAULT, "Address on which actions are taken. A name of our own."),
    spec("Server", "Port", "7006", "Port on which actions are taken; 0 takes a free one and the start line names it."),
    spec("Server", "Threads", "4", "How many requests are answered at once, 1 to 256."),
    spec(
        "Server",
        "MaxInputString",
        "131072",
        "Longest URL of a request in bytes, 1024 to 16777216; its headers are counted too.",
    ),
    spec("Server", "MaxFileUploadSize", "10485760", "Longest body of a request in bytes, 1024 to 1073741824."),
    spec("Server", "MaxConnections", "512", "Connections open at once to each port, 1 to 10000. A name of our own."),
    spec(
        "Server",
        "MaxConnectionsPerAddress",
        "256",
        "How many of them from one address other than this host, 1 to 10000. A name of our own.",
    ),
    spec(
        "Server",
        "LogRequestTiming",
        "FALSE",
        "Whether the application log has a line for each request and its duration.",
    ),
    spec("Server", "AdminClients", "localhost", OLD_LIST),
    spec("Server", "QueryClients", "*", OLD_LIST),
    spec("Server", "SSLConfig", "plain HTTP", SSL_CONFIG),
    spec("Server", "Access-Control-Allow-Origin", "no other origin", ORIGINS),
    spec(
        "Server",
        "AllowedOutputDirectoryCSVs",
        "replies",
        "Folders in which Output=File may write, separated by commas; their sub-folders do not count. Empty for none.",
    ),
    spec(
        "Server",
        "AllowedBackupDirectoryCSVs",
        "backup",
        "Folders in which BackupServer makes archives and RestoreServer finds them, separated by commas; their sub-folders do not \
         count. Empty for none. A name of our own.",
    ),
    spec("Service", "Host", "127.0.0.1", "Address of the service port. A name of our own."),
    spec("Service", "ServicePort", "7007", "Port for status and stop; 0 takes a free one and the start line names it."),
    spec("Service", "ServiceControlClients", "localhost", OLD_LIST),
    spec("Service", "ServiceStatusClients", "*", OLD_LIST),
    spec("Service", "SSLConfig", "plain HTTP", SSL_CONFIG),
    spec("Service", "Access-Control-Allow-Origin", "no other origin", ORIGINS),
    spec(
        PORT_TLS,
        "SSLMethod",
        "Negotiate",
        "Negotiate: TLS 1.2 or 1.3, which every other name of the reference means as well. NONE: plain HTTP.",
    ),
    spec(
        PORT_TLS,
        "SSLCertificate",
        "required",
        "PEM file of the port's certificate, with those that it is issued by.",
    ),
    spec(PORT_TLS, "SSLPrivateKey", "SSLCertificate", "PEM file of its key, not encrypted."),
    spec(
        PORT_TLS,
        "SSLCheckCertificate",
        "FALSE",
        "TRUE serves only clients that show a certificate of SSLCACertificate.",
    ),
    spec(PORT_TLS, "SSLCACertificate", "none", "PEM file of those who issue the certificates of clients."),
    spec(
        "AuthorizationRoles",
        "0",
        "Admin and ServiceControl: localhost; Query and ServiceStatus: *",
        "0=, 1=, ...: the roles; each has a section of that name with the parameters below.",
    ),
    spec(
        ROLE,
        "StandardRoles",
        "none",
        "What it holds: one or several of Admin, Query, ServiceControl and ServiceStatus, or * for all of them. None includes \
         another. Who has them by default loses those that any role lists.",
    ),
    spec(ROLE, "Actions", "none", "Single actions of the ACI port that it holds as well, with wildcards."),
    spec(ROLE, "ServiceActions", "none", "Single actions of the service port that it holds as well, with wildcards."),
    spec(
        ROLE,
        "Clients",
        "none",
        "Who has it: addresses (10.1.2.3, 187.*.*.*, 10.0.0.0/8, fd00::/8), whole names of hosts, localhost, or * for everybody.",
    ),
    spec(
        ROLE,
        "SSLIdentities",
        "none",
        "Who else has it, by the names in certificates that a port has checked: admin.example.com, dns:*.example.com, \
         email:user@example.com. The common name counts in a certificate without subjectAltName.",
    ),
    spec("Actions", "MaximumThreads", "2", "How many actions run at once, up to 64; 0 or less is 1."),
    spec("Actions", "MaxQueueSize", "10000", "How many actions may wait, 1 to 1000000; more are refused."),
    spec("Actions", "MaxEndedActions", "10000", "How many ended actions QueueInfo remembers. A name of our own."),
    spec("Actions", "MaxEndedActionAge", "30 days", "How long QueueInfo remembers an ended action. A name of our own."),
    spec(
        "Actions",
        "MaxAttempts",
        "3",
        "How often an action is begun, 1 to 100, before one that takes the server down with it ends as Error. \
         A name of our own.",
    ),
    spec("Actions", "OnStart", "none", "Section of the handler that is told when an action is started."),
    spec("Actions", "OnFinish", "none", "Section of the handler that is told when an action has come to its own end."),
    spec(
        "Actions",
        "OnError",
        "none",
        "Section of the handler that is told when a started action has failed or been stopped.",
    ),
    spec("Actions", "OnErrorReport", "none", "Section of the handler that is told what fails in actions that go on."),
    spec(
        "Actions",
        "ErrorReportInterval",
        "10s",
        "Least time between two such reports of an action. A name of our own.",
    ),
    spec("Actions", "OnQueueEvent", "none", "Section of the handler that is told when the queue fills and empties."),
    spec("Actions", "QueueFillingThreshold", "0.75", "Part of MaxQueueSize, 0 to 1, above which the queue is filling."),
    spec(
        "Actions",
        "QueueEmptyingThreshold",
        "0.5",
        "Part of MaxQueueSize below which the queue is emptying; less than the other one.",
    ),
    spec(
        "Logging",
        "0",
        "a stream for each type",
        "0=, 1=, ...: the streams; each has a section of that name, which may set every parameter of [Logging] for itself.",
    ),
    spec("Logging", "LogTypeCSVs", "all of them", LOG_TYPES),
    spec("Logging", "LogFile", "the stream's name and .log", "File of a stream, in LogDirectory."),
    spec("Logging", "LogLevel", "Normal", "Always, Critical, Error, Warning, Normal, Full or Debug: the least grave."),
    spec("Logging", "LogDirectory", "logs", "Folder of the log files."),
    spec("Logging", "LogEcho", "FALSE", "Whether log lines are also written to stderr."),
    spec("Logging", "LogMaxSizeKBs", "10240", "Size at which a log file is moved away and begun anew, from 1."),
    spec(
        "Logging",
        "LogExpireAction",
        "Datestamp",
        "What a full action.log becomes: Compress (action_20261123T092215.log.gz), Consecutive (action.log.1, .2, ...), \
         Datestamp (action_20261123T092215.log), Previous (action.log.previous) or Day (action_20261123.log, each day).",
    ),
    spec("Logging", "LogArchiveDirectory", "archive in LogDirectory", "Folder of full log files."),
    spec("Logging", "LogMaxArchives", "20", "Full files of a stream that are kept, 1 to 10000. A name of our own."),
    spec("Connector", "EnableIngestion", "TRUE", "Whether documents are delivered at all."),
    spec("Connector", "EnableScheduledTasks", "TRUE", "Whether tasks that have a schedule run by themselves."),
    spec("Connector", "ConnectorGroup", "Connector", "Value of AUTN_GROUP in every document."),
    spec(
        "Connector",
        "AllowedDestinationDirectoryCSVs",
        "collected",
        "Folders below which FetchAction=Collect may put files, separated by commas; empty for none. A name of our own.",
    ),
    spec(
        "Ingestion",
        "IngestActions",
        "none",
        "META:Field=Value, separated by commas: fields of every document, unless its task says otherwise.",
    ),
    spec(
        "Ingestion",
        "IngesterType",
        "CFS if IngestHost is set, else Files",
        "Where documents go: one or several of CFS, Content and Files, with a comma between.",
    ),
    spec("Ingestion", "IngestHost", "localhost", "Host of the Connector Framework Server."),
    spec("Ingestion", "IngestPort", "7000", "ACI port of the Connector Framework Server."),
    spec("Ingestion", "IndexHost", "localhost", "Host of the Content server. A name of our own."),
    spec("Ingestion", "IndexPort", "9101", "Index port of the Content server. A name of our own."),
    spec("Ingestion", "OutputFormat", "jsonl", "Form of the files: jsonl, idx, xml or csv. A name of our own."),
    spec("Ingestion", "OutputDirectory", "output", "Folder of the files. A name of our own."),
    spec("FetchTasks", "Number", "all that are listed", "How many of the listed tasks count."),
    spec("FetchTasks", "0", "none", "0=, 1=, ...: the tasks; each has a section of that name."),
];

/// The parameters of a section that `OnStart` and its like name. In place of a section stands the `LibraryName` that takes
/// the parameter, and nothing if each does.
pub const HANDLER_PARAMETERS: &[ParameterSpec] = &[
    spec("", "LibraryName", "", "HttpHandler or TextFileHandler; needed."),
    spec(
        "HttpHandler",
        "URL",
        "",
        "Where each event is posted to, as text/xml; needed. Any answer of 200 to 299 takes it.",
    ),
    spec("HttpHandler", "BasicUser", "none", "Name that the receiver is told."),
    spec("HttpHandler", "BasicPassword", "none", "Password for it."),
    spec("HttpHandler", "ProxyHost", "none", "Proxy to the receiver."),
    spec("HttpHandler", "ProxyPort", "8080, or 1080 for SOCKS5", "Its port."),
    spec("HttpHandler", "ProxyUsername", "none", "Name for the proxy."),
    spec("HttpHandler", "ProxyPassword", "none", "Password for the proxy."),
    spec("HttpHandler", "ProxyType", "HTTP", "HTTP or SOCKS5. A name of our own."),
    spec(
        "HttpHandler",
        "SSLConfig",
        "none",
        "Section with SSLMethod and the other SSL parameters of a task, for https.",
    ),
    spec(
        "TextFileHandler",
        "FilePath",
        "",
        "File that gets one line for each event; needed. Its folder must be there.",
    ),
    spec("", "Retries", "3", "Attempts after a first that failed, 0 to 1000, before the event is set aside."),
    spec("", "RetryInterval", "5s", "Time between two of them."),
];

/// Whether a section of the server, a role, a handler of events or the like has a parameter of this name, also one of the
/// reference that has no effect here.
pub fn is_parameter(name: &str) -> bool {
    let used = PARAMETERS.iter().chain(HANDLER_PARAMETERS).map(|spec| spec.name);
    used.chain(UNUSED.iter().map(|unused| unused.name)).any(|known| known.eq_ignore_ascii_case(name))
}

/// Stands in for the sections of roles, which have names of their own.
pub(super) const ROLE: &str = "a role";

/// The same for the sections that SSLConfig names.
pub(super) const PORT_TLS: &str = "an SSLConfig";

const SSL_CONFIG: &str = "The section with the certificate of the port, which then speaks HTTPS alone.";
const ORIGINS: &str =
    "Origins such as https://admin.example.com:8443 whose pages may read answers, with spaces between, or *.";
const OLD_LIST: &str = "Clients, written as for a role, who have what its name says beside those that roles name; empty for \
    nobody. Roles have replaced it.";
const LOG_TYPES: &str = "What a stream takes: application, action, synchronize, collect, view, identifiers, delete, \
    insert, update, hold, synchronizegroups.";
const HOST_DEFAULT: &str = "0.0.0.0, or 127.0.0.1 without a configuration file";

const fn spec(
    section: &'static str,
    name: &'static str,
    default: &'static str,
    summary: &'static str,
) -> ParameterSpec {
    ParameterSpec { section, name, default, summary }
}

/// A parameter of the reference that is read and has no effect.
pub(super) struct Unused {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) weight: Weight,
    pub(super) effect: &'static str,
}

/// What it costs that it has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Nobody misses it: one line tells.
    Light,
    /// Whoever set it relies on something that does not happen.
    Heavy,
}

pub(super) const UNUSED: &[Unused] = &[
    unused("Server", "XSLTemplates", Weight::Light, "replies are not transformed"),
    unused(PORT_TLS, "SSLCheckCommonName", Weight::Light, "the names of clients are for SSLIdentities"),
    unused(PORT_TLS, "SSLPrivateKeyPassword", Weight::Light, "the key must not be encrypted"),
    unused(ROLE, "IndexActions", Weight::Light, NO_INDEX_PORT),
    unused(ROLE, "GSSPrincipals", Weight::Light, "Kerberos is not spoken here"),
    unused("Actions", "AsyncStoreLibraryDirectory", Weight::Light, OWN_STORE),
    unused("Actions", "AsyncStoreLibraryName", Weight::Light, OWN_STORE),
    unused("Actions", "ConnectionString", Weight::Heavy, OWN_STORE),
    unused("Actions", "UseStringentDatastore", Weight::Light, OWN_STORE),
    unused("Actions", "UseInMemoryDatastore", Weight::Light, OWN_STORE),
    unused("Actions", "InMemoryDatastoreBackupIntervalMins", Weight::Light, OWN_STORE),
    unused("Logging", "LogCompressionMode", Weight::Light, "LogExpireAction=Compress writes gzip"),
    unused("Ingestion", "IngestPriority", Weight::Heavy, SET_IT_FOR_TASKS),
    unused("Ingestion", "IngestSourceConnectorFields", Weight::Heavy, SET_IT_FOR_TASKS),
];

pub(super) const NO_INDEX_PORT: &str = "that is for another kind of server; a connector has no index port";
const OWN_STORE: &str = "the queue is always kept on disk, in a database of its own";
const SET_IT_FOR_TASKS: &str = "parameters of documents are set in a task's section, [FetchTasks] or [Default]";

const fn unused(section: &'static str, name: &'static str, weight: Weight, effect: &'static str) -> Unused {
    Unused { section, name, weight, effect }
}

/// The sections of the reference that are accepted whole and have no effect.
pub(super) const UNUSED_SECTIONS: &[(&str, Weight, &str)] =
    &[("License", Weight::Light, "no licence is needed"), ("Paths", Weight::Light, "nothing is looked for there")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_is_declared_twice() {
        let used = PARAMETERS.iter().map(|spec| (spec.section, spec.name));
        let mut all: Vec<_> = used.chain(UNUSED.iter().map(|unused| (unused.section, unused.name))).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
