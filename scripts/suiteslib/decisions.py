"""Why the connector differs from other projects' suites where it does.

By suite: patterns for the name of a case, what is expected there and what came here, the reason, and how many cases it covers at
most. Patterns that are left out match everything.
"""

STANDARD = "The standard says so; the other project reads pages by patterns of its own."
NO_SCRIPTS = "Scripts are not run: what they write is not there, and what stands for their absence is."

ARGUED = {
    "URL resolution (web-platform-tests)": [
        {
            "of": (r"""^'(\s|\\t)*(#.*)?' on""",),
            "why": "A reference that is empty or a fragment alone names the place where it stands: there is no link to follow.",
        },
        {
            "of": (r"\? d # e",),
            "why": "White space in front of a fragment is dropped: who writes it means no part of the name.",
        },
    ],
    "declarations in pages (html5lib-tests)": [
        {
            "of": ("", "^'windows-1252'$", "^'utf-8'$"),
            "why": "Nothing is declared, and the page is ASCII or UTF-8: it is read as UTF-8, which loses nothing.",
        },
        {"of": (r"^tests1.dat 5[34]$",), "why": NO_SCRIPTS},
    ],
    "documents (html5lib-tests)": [
        {
            "of": ("", "", "^'  text here"),
            "most": 76,
            "why": "The text of broken documents, whose tree a browser would repair: the kinds are argued for in src/crawl/html.rs. "
            "Links, titles and bases are the same in all.",
        },
    ],
    "robots.txt (Protego)": [
        {
            "of": ("test_crawl_delay|test_malformed_crawl_delay",),
            "why": "The delay is seen by what the connector tells about a crawl: it tells none of 0 and is at most 30 s.",
        },
        {
            "of": ("test_user_agent_precedence|test_user_agent_boundary_matching|test_1996rfc_examples|test_generosity$|test_allowed_wildcards",),
            "why": "RFC 9309 2.2.1: a group is for the whole product name, which is letters, - and _ alone; no prefixes of it, no "
            "digits, no spaces. So does Google.",
        },
        {"of": ("test_equal_sign_in_path",), "why": "RFC 3986 2.2: a reserved character and its encoding are not the same."},
        {"of": ("test_unicode_url_and_useragent",), "why": "RFC 9309 2.2.1: a product name has no letters beyond ASCII."},
        {"of": ("test_empty_user_agent_line",), "why": "As in Google's parser, an empty user-agent line names nobody."},
        {
            "of": ("test_grouping_unknown_keys",),
            "why": "RFC 9309 2.2.4: what is unknown is as if it were not there, so it ends no group.",
        },
        {"of": ("test_generosity_not_for_unknown_colon_directives",), "why": "As in Google's parser, a colon may be missing after a key."},
        {
            "of": ("test_special_symbols_dual_behaviour|test_with_absolute_urls",),
            "why": "RFC 9309 2.2.2 and 2.2.3: a pattern begins with a slash; * and $ are special wherever they may be, unless encoded.",
        },
    ],
    "robots.txt (Google, in gpyrobotstxt)": [
        {
            "of": ("AcceptUserAgentUpToFirstSpace",),
            "why": "The rules are found; that 'Foo Bar' is refused as a name there, here it is a User-Agent that begins with Foo.",
        },
        {"of": ("LineTooLong",), "why": "No URL of more than 8 KiB is visited: the lines' length is tested in src/crawl/robots."},
        {
            "of": ("test_ID_Encoding",),
            "why": "That parser takes URLs as they are; here they are normalised (RFC 3986 6.2.2) before, as the patterns are.",
        },
    ],
    "links (Scrapy)": [
        {"of": ("test_ignored_extensions",), "why": "A link to an image is one: which are documents is said by parameters."},
    ],
    "sitemaps (Scrapy)": [
        {"of": ("test_xml_entity_expansion",), "why": "An entity that a document defines is not expanded either, and stands as it is written."},
    ],
    "bases, refreshes, encodings (w3lib)": [
        {"of": ("test_base_url_in_script.*noscript|test_inside_noscript",), "why": NO_SCRIPTS},
        {
            "of": ("unterminated_tag|payload_wins|equiv_without_refresh|non_ascii_whitespace",),
            "why": STANDARD,
        },
        {"of": ("test_content_type_and_conversion.*(gb2312|gbk|big5)",), "why": "The same tables: Python names them gb18030 and big5hkscs."},
        {"of": ("no_catastrophic_backtracking",), "why": "Of a tag with thousands of attributes the first ones are read: it is an attack."},
        {"of": ("utf16_32",), "why": "The Encoding standard has no UTF-32, and reads utf-16 in a page as UTF-8."},
        {"of": ("test_html_encoding",), "why": STANDARD + " Undeclared ASCII is UTF-8 here."},
    ],
    "pages of libboost1.81-doc (wget -r)": [
        {"of": ("operator%25.html",), "why": "wget encodes a % that begins no encoding; browsers leave it, and nginx refuses it."},
        {"of": ("operator/.html",), "why": "It is there, too: nginx calls a file of that name plain text, and here pages of HTML are compared."},
    ],
    "answers of servers (curl)": [
        {"of": ("test1116|test1417|test266$",), "why": "curl prints the trailers behind the body; here they are no part of it."},
        {"of": ("test1425",), "why": "curl will not print a NUL to a terminal."},
        {
            "of": ("test387|test418",),
            "why": "curl refuses a hundred transfer codings; here an unknown one is not undone, and the body stays as it came.",
        },
        {"of": ("test398",), "why": "curl refuses a line that is no field; browsers pass it over, and so does the connector."},
    ],
}
