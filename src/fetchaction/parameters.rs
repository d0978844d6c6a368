//! The parameters of a task: their names, what they do, and which of them are lists. README's table is made of them.

use super::http::NUMBERED;
use crate::crawl::scope;

/// A parameter of a task section, which an action may also give.
pub struct TaskParameter {
    pub name: &'static str,
    /// As the README prints it.
    pub default: &'static str,
    pub summary: &'static str,
    /// A name that the reference does not have.
    pub is_ours: bool,
}

const fn of_reference(name: &'static str, default: &'static str, summary: &'static str) -> TaskParameter {
    TaskParameter { name, default, summary, is_ours: false }
}

const fn ours(name: &'static str, default: &'static str, summary: &'static str) -> TaskParameter {
    TaskParameter { name, default, summary, is_ours: true }
}

/// Every parameter of a task. Whatever else an action gives is refused.
pub const PARAMETERS: &[TaskParameter] = &[
    of_reference("Url", "", "start pages: a list, or Url0=, Url1= and so on"),
    of_reference(
        "SitemapUrl",
        "",
        "sitemaps or indexes of sitemaps; only the pages listed are visited. Goes before SitemapFile and Url",
    ),
    of_reference(
        "SitemapIndexUrlMustHaveRegex",
        "",
        "a sitemap that an index names is only read if its whole URL matches",
    ),
    of_reference(
        "SitemapIndexUrlCantHaveRegex",
        "",
        "a sitemap that an index names is not read if its whole URL matches",
    ),
    of_reference(
        "IgnoreSitemapScopeErrors",
        "FALSE",
        "take entries on another host or above the folder of their sitemap too",
    ),
    of_reference(
        "SitemapFile",
        "",
        "file with one URL a line; only these are visited. Goes before Url; not in an action",
    ),
    ours("SitemapsFromRobots", "FALSE", "read the sitemaps that robots.txt names as well, when crawling from Url"),
    of_reference("Depth", "-1", "links followed from a start page at most; -1 is no limit, 0 only the start pages"),
    of_reference("StayOnSite", "TRUE", "stay on the hosts of the start pages; www. and the scheme do not matter"),
    ours(
        "MaxUrlLength",
        "2048",
        "bytes of a URL, 64 to 8192; longer ones are traps far more often than pages and not visited",
    ),
    ours(
        "MaxPathRepeats",
        "3",
        "how often a part of a path may stand in a row, as b/ in /a/b/b/; URLs with more are traps and not visited. 0 is no limit",
    ),
    ours(
        "MaxPagesPerPattern",
        "-1",
        "pages whose URLs differ in numbers and values of their query only, as those of a calendar do; further ones are \
         passed over unless they are known from before. -1 is no limit",
    ),
    of_reference("SpiderUrlMustHaveRegex", "", "a page is only visited if its whole URL matches"),
    of_reference("SpiderUrlCantHaveRegex", "", "a page is not visited if its whole URL matches"),
    of_reference(
        "UrlMustHaveRegex",
        "",
        "a page only becomes a document if its whole URL matches; its links are followed",
    ),
    of_reference(
        "UrlCantHaveRegex",
        scope::INGEST_CANT_DEFAULT,
        "a page becomes no document if its whole URL matches; its links are followed",
    ),
    of_reference(
        "MaxPages",
        "-1",
        "documents added or updated in one action at most; the next action goes on. -1 is no limit",
    ),
    of_reference(
        "MaxTaskDuration",
        "",
        "time for one action on the task, a duration; the next action goes on from there",
    ),
    of_reference("MaxKBytesPerSec", "", "average of kilobytes fetched per second, kept by pausing between pages"),
    of_reference(
        "MaxLinkChanges",
        "",
        "links that may vanish from a page at once; with more, nothing is deleted for it",
    ),
    of_reference(
        "MaxLinkChangePercentage",
        "0.0",
        "the same in percent of the page's links; of both limits one is enough. 0.0 is off",
    ),
    of_reference("MaxLinksPerPage", "", "a page with more links becomes no document; its links are followed"),
    of_reference(
        "MaxLinkPercentagePerPage",
        "100.0",
        "a page of whose text more percent are of links becomes no document; its links are followed. 100.0 is off",
    ),
    of_reference("MinPageSize", "0", "a page with fewer bytes becomes no document"),
    of_reference(
        "DateInUrl",
        "FALSE",
        "look for a page's date in its URL first: 2026/11/20, 20261120 and the like, or a form of DateFormats",
    ),
    of_reference(
        "PageDateSelector",
        "",
        "then in its first element that matches this CSS selector; selector@attribute (an extension) takes an attribute",
    ),
    of_reference("PageDateHeader", "Last-Modified", "then in these response headers: a list"),
    of_reference(
        "DateFormats",
        "the usual ones",
        "forms of dates: a list of masks of YYYY, YY, MM, SHORTMONTH, LONGMONTH, DD, HH, NN (minutes), SS, EPOCHSECONDS",
    ),
    of_reference(
        "MinPageAge",
        "0",
        "a page whose date is younger than this duration becomes no document before it is as old",
    ),
    of_reference("MaxPageAge", "", "a page whose date is older becomes none, and one that grows older loses it"),
    of_reference(
        "MinPageDate",
        "",
        "without MaxPageAge: a page of an earlier date becomes no document: 2026-11-20, or from now on as -7days",
    ),
    of_reference("MaxPageDate", "", "without MinPageAge: a page of a later date becomes no document"),
    of_reference("SpiderDateFilteredPages", "TRUE", "follow the links of pages that their date leaves out"),
    of_reference("PageMustHaveRegex", "", "a page only becomes a document if this is found in its source"),
    of_reference("PageCantHaveRegex", "", "a page becomes no document if this is found in its source"),
    of_reference(
        "ClippingMode",
        "",
        "CSSCLIPPING takes part of each page as its document; links are those of the whole page",
    ),
    of_reference("ClipPageUsingCssSelect", "", "CSS selectors of what is kept: a list; everything without it"),
    of_reference("ClipPageUsingCssUnselect", "", "CSS selectors of what is dropped of that: a list"),
    of_reference(
        "MetadataSelector",
        "",
        "CSS selector, or MetadataSelector0 and so on: each element that matches gives the field of the same number a \
         value. selector@attribute (an extension) takes an attribute of the element",
    ),
    of_reference("MetadataFieldName", "", "the field, or MetadataFieldName0 and so on"),
    of_reference(
        "MetadataSelectorExtractPlainText",
        "FALSE",
        "such a value is the text of its element rather than its markup",
    ),
    of_reference("IngestAsPlainText", "TRUE", "FALSE delivers the markup of each page beside its text, as a file"),
    of_reference("RemoveComments", "FALSE", "of that markup, leave out comments (the text never has any)"),
    of_reference("RemoveScripts", "FALSE", "of that markup, leave out scripts (the text never has any)"),
    of_reference("RemoveNoframes", "FALSE", "of that markup, leave out noframes elements (the text never has any)"),
    of_reference("RemoveNoscripts", "FALSE", "of that markup, leave out noscript elements (the text never has any)"),
    ours("ContentTypeMustHaveRegex", "", "a page only becomes a document if its whole media type matches"),
    ours("ContentTypeCantHaveRegex", "", "a page becomes no document if its whole media type matches"),
    ours(
        "FollowEmbedded",
        "FALSE",
        "visit what pages embed, too: images (each one of a srcset), audio, video and objects",
    ),
    ours("FoldCanonicals", "FALSE", "leave a page that names another one as its canonical form to that one"),
    ours("HeaderFields", "", "response headers that become fields HTTP_NAME: a list"),
    ours("LinkFields", "FALSE", "give each document a field LINK for every page that it links to"),
    of_reference("PageDelay", "0", "least time between two requests to one host, a duration such as 0.5 or 2s"),
    of_reference("SynchronizeThreads", "5", "pages of the task fetched at the same time, 1 to 256"),
    ours("MaxConnectionsPerHost", "SynchronizeThreads", "the same for one host, 1 to 256"),
    of_reference(
        "FollowRobotProtocol",
        "TRUE",
        "obey robots.txt, robots meta and X-Robots-Tag (also unavailable_after), and rel=nofollow",
    ),
    of_reference(
        "IgnoreRobotProtocolErrors",
        "FALSE",
        "treat a robots.txt that cannot be had as absent; otherwise nothing of its host is visited",
    ),
    ours(
        "UserAgent",
        "webconnector/VERSION",
        "the User-Agent header; its first word, or that after (compatible;, is what robots rules are looked up by",
    ),
    ours("PageTimeout", "30s", "time for one page, from the request to the end of the body"),
    ours("ConnectTimeout", "10s", "time for finding a host, and again for connecting to it"),
    ours("MaxRetries", "3", "further visits of a page that failed for a passing reason, 0 to 20"),
    ours("RetryDelay", "1s", "pause before the first of them; it doubles for each further one"),
    ours("MaxRedirects", "10", "redirects followed one after the other at most, 0 to 100"),
    ours("MaxPageSize", "10485760", "bytes of a page that are read, after decompression; the rest is cut off"),
    of_reference(
        "IngestActions",
        "",
        "META:Field=Value, separated by commas: fields that each document gets when it is delivered; another value alone delivers none again",
    ),
    of_reference(
        "SSLMethod",
        "Negotiate",
        "NONE fetches nothing over https; every other method of the reference means TLS 1.2 or 1.3",
    ),
    of_reference("SSLCheckCertificate", "TRUE", "refuse a server whose certificate nobody who is trusted has issued"),
    of_reference("SSLCheckCommonName", "TRUE", "refuse a server whose certificate is for another name"),
    of_reference(
        "SSLCACertificate",
        "",
        "PEM file of those who are trusted to issue certificates, or of the servers' own certificates; by default \
         Mozilla's list, which is built in, and the system's (SSL_CERT_FILE). Not in an action",
    ),
    of_reference("SSLCACertificatesPath", "", "folder of such files; not in an action"),
    of_reference("SSLCertificate", "", "PEM file of the certificate to show to servers that ask; not in an action"),
    of_reference("SSLPrivateKey", "SSLCertificate", "PEM file of its key, not encrypted; not in an action"),
    of_reference("ProxyHost", "", "proxy for http and https; not in an action"),
    of_reference("ProxyPort", "8080, or 1080 for SOCKS5", "its port; not in an action"),
    of_reference("ProxyUsername", "", "name for the proxy (Basic, or that of SOCKS5); not in an action"),
    of_reference("ProxyPassword", "", "password for the proxy; not in an action"),
    ours("ProxyType", "HTTP", "HTTP, or SOCKS5, which also finds the hosts; not in an action"),
    ours(
        "NoProxy",
        "",
        "hosts that are connected to directly, such as intra.example.com, 10.0.0.0/8; not in an action",
    ),
    ours(
        "UseEnvironmentProxies",
        "FALSE",
        "without ProxyHost, use the proxies of http_proxy, https_proxy, all_proxy and no_proxy",
    ),
    of_reference(
        "AuthUser",
        "",
        "name for servers that ask for one (Basic, Digest). It, the cookies, the headers and the form's values go to the \
         hosts of the start pages only: those of the file if they stand in the file",
    ),
    of_reference("AuthPassword", "", "the password, as it is"),
    ours("Cookies", "TRUE", "keep the cookies that servers set until the end of the action"),
    ours("Cookie", "", "Cookie0=name=value, Cookie1=...: cookies to begin with"),
    ours("CookieFile", "", "file with cookies to begin with, as Netscape's cookies.txt; not in an action"),
    ours(
        "Header",
        "",
        "Header0=Name: value, Header1=...: headers of every request; Accept-Language and its like go to other hosts, too",
    ),
    of_reference(
        "FormUrlRegex",
        "",
        "matches the whole URL of the login form, which is filled in when a page redirects to it or is it. A form on \
         another host than the start pages' needs that host in the expression",
    ),
    of_reference(
        "InputSelector",
        "",
        "InputSelector0=, InputSelector1=...: which inputs of the form are filled in: input#user, [name=user]",
    ),
    of_reference("InputValue", "", "InputValue0=, InputValue1=...: what is typed into them"),
    of_reference("SubmitSelector", "the first button", "the button that submits the form"),
    ours(
        "AllowPrivateAddresses",
        "TRUE",
        "connect to addresses that are not public (loopback, 10.0.0.0/8, ...); FALSE for connectors that let others \
         submit URLs. Not in an action",
    ),
    of_reference(
        "DatastoreFile",
        "connector_TASK_datastore.db",
        "where the task remembers what it has seen; not in an action",
    ),
    of_reference(
        "ScheduleStartTime",
        "now",
        "when the task runs by itself for the first time: now, 02:30, or 2026-11-20 02:30:00, local time. A task of \
         [FetchTasks] that has one of these three parameters runs by itself; not in an action",
    ),
    of_reference(
        "ScheduleRepeatSecs",
        "-1",
        "seconds from one run to the next; whole days are counted on the calendar. -1 is a single run; not in an action",
    ),
    of_reference("ScheduleCycles", "-1", "runs until that is enough; -1 is no limit, 0 is none; not in an action"),
];

/// Parameters of the action itself, which are no overrides.
pub(super) const OF_THE_ACTION: [&str; 7] =
    ["FetchAction", "TaskSections", "ConfigSection", "Config", "Priority", "ActionID", "ResponseFormat"];

/// Parameters that may be numbered.
const LISTS: [&str; 6] = [
    "Url",
    "SitemapUrl",
    "ClipPageUsingCssSelect",
    "ClipPageUsingCssUnselect",
    "MetadataSelector",
    "MetadataFieldName",
];

/// Whether `name` is one of [`PARAMETERS`], or a numbered form of one that is a list.
pub(super) fn is_parameter(name: &str) -> bool {
    list_of(name).is_some() || PARAMETERS.iter().any(|parameter| parameter.name.eq_ignore_ascii_case(name))
}

/// The one of [`LISTS`] that `name` belongs to: `Url` of `Url`, `url0`, `Url1` and so on.
pub(super) fn list_of(name: &str) -> Option<&'static str> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    LISTS.into_iter().chain(NUMBERED).find(|list| list.eq_ignore_ascii_case(stem))
}
