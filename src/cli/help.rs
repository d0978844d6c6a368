//! The help texts. Lines have at most 80 columns; a command to copy stands before its explanation.

pub(super) const PROGRAM: &str = "\
webconnector crawls web sites on request and delivers their documents.

Usage:
  webconnector [--config FILE]     take actions until stopped
  webconnector fetch URL           crawl one site and end; see fetch --help
  webconnector check-config [FILE] say what is wrong with a configuration file

Options:
  -c, --config FILE   configuration file. Without it webconnector.cfg is looked
                      for beside the program, then in the working directory.
                      With no file the defaults hold: this machine only, ACI
                      port 7006, service port 7007, output in ./output
  -h, --help          this text
  -V, --version       name and version

Once it takes actions it prints one line that names its two ports. Then:
  curl 'localhost:7006/a=Fetch&FetchAction=Synchronize'
                                   crawl every configured task; answers a token
  curl 'localhost:7006/a=QueueInfo&QueueName=Fetch&QueueAction=GetStatus'
                                   what waits, runs and has ended
  curl 'localhost:7006/a=QueueInfo&QueueName=Fetch&QueueAction=Stop&Token=T'
                                   end the action with the token T
  curl 'localhost:7007/a=Stop'
                                   stop the server, as SIGTERM and Ctrl-C do

What went wrong is in logs/application.log, logs/action.log and
logs/synchronize.log below the configuration file's folder, or on stderr before
there is a log. Queued and running actions survive a stop and a crash: start the
program again and they go on under the same tokens.

Exit codes:
  0  stopped on request
  1  something failed while it ran, such as a port that is in use
  2  this command line could not be understood
  3  the configuration cannot be used; each problem names its file and line
";

pub(super) const FETCH: &str = "\
webconnector fetch crawls one site, writes its documents to files, and ends.

Usage:
  webconnector fetch URL [options]

Options:
      --depth N            how many links away from URL pages are visited: 0 is
                           URL alone, -1 is no limit, which is the default
  -o, --output DIR         folder for the documents; default ./output
      --format jsonl|idx|xml|csv
                           jsonl, the default, is one JSON object per line, idx
                           is IDOL's, xml one element per line
  -h, --help               this text
  -V, --version            name and version

It needs no configuration and no server, stays on the site of URL and obeys its
robots.txt. Ctrl-C stops it; what it has visited by then is written.

Exit codes:
  0  the site was crawled, or Ctrl-C stopped it
  1  something failed, such as a start page that cannot be had
  2  this command line could not be understood
";

pub(super) const CHECK_CONFIG: &str = "\
webconnector check-config says everything that is wrong with a configuration
file, and what in it has no effect. It starts nothing.

Usage:
  webconnector check-config [FILE]

Without FILE, webconnector.cfg is looked for beside the program, then in the
working directory. Each line names the file and the line, and is one of
  error     the server does not start, or the task is not performed
  warning   probably not meant as it is written, or without the effect that it
            has in the reference product
  note      without effect, and nobody will miss it

Options:
  -h, --help          this text
  -V, --version       name and version

Exit codes:
  0  no errors
  2  this command line could not be understood
  3  errors, or there is no such file
";
