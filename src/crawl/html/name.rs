//! The names of elements, and what each element means to a reader.

use super::foreign::Namespace;

macro_rules! names {
    ($($variant:ident = $text:literal),* $(,)?) => {
        /// An element's name, as far as it means something here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Name {
            /// Every other name.
            Other,
            $($variant,)*
        }

        const NAMES: &[(&str, Name)] = &[$(($text, Name::$variant),)*];
    };
}

names! {
    A = "a", Address = "address", Annotation = "annotation", Applet = "applet", Area = "area", Article = "article",
    Aside = "aside", Audio = "audio", B = "b", Base = "base", Basefont = "basefont", Bgsound = "bgsound", Big = "big",
    Blockquote = "blockquote", Body = "body", Br = "br", Button = "button", Canvas = "canvas", Caption = "caption",
    Center = "center", Code = "code", Col = "col", Datalist = "datalist", Dd = "dd",
    Desc = "desc", Details = "details", Dialog = "dialog", Dir = "dir", Div = "div", Dl = "dl", Dt = "dt", Em = "em",
    Embed = "embed", Fieldset = "fieldset", Figcaption = "figcaption", Figure = "figure", Font = "font",
    Footer = "footer", Form = "form", Frame = "frame", Frameset = "frameset", H1 = "h1", H2 = "h2", H3 = "h3",
    H4 = "h4", H5 = "h5", H6 = "h6", Head = "head", Header = "header", Hgroup = "hgroup", Hr = "hr", Html = "html",
    I = "i", Iframe = "iframe", Image = "image", Img = "img", Input = "input", Keygen = "keygen", Legend = "legend", Li = "li",
    Link = "link", Listing = "listing", Main = "main", Marquee = "marquee", Math = "math",
    Menu = "menu", Meta = "meta", Metadata = "metadata", Mi = "mi", Mn = "mn", Mo = "mo",
    Ms = "ms", Mtext = "mtext", Nav = "nav", Nobr = "nobr", Noembed = "noembed", Noframes = "noframes",
    Noscript = "noscript", Object = "object", Ol = "ol", Optgroup = "optgroup", Option = "option", P = "p",
    Param = "param", Plaintext = "plaintext", Pre = "pre", Ruby = "ruby", S = "s", Script = "script",
    Search = "search", Section = "section", Select = "select", Small = "small", Source = "source", Span = "span",
    Strike = "strike", Strong = "strong", Style = "style", Sub = "sub", Summary = "summary", Sup = "sup", Svg = "svg",
    Table = "table", Tbody = "tbody", Td = "td", Template = "template", Text = "text", Textarea = "textarea",
    Tfoot = "tfoot", Th = "th", Thead = "thead", Title = "title", Tr = "tr", Track = "track", Tt = "tt", U = "u",
    Ul = "ul", Var = "var", Video = "video", Wbr = "wbr", Xmp = "xmp",
}

/// What an element does to the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing: `foo<b>bar</b>` is one word.
    Inline,
    /// It stands between two words without being one, as an image does.
    Space,
    /// A cell of a table.
    Cell,
    /// A block: what follows begins a line, and so does what follows its end.
    Block,
    /// It stands between two words, and its source is not what a reader sees in its place.
    Replaced,
    /// Neither it nor its content is seen.
    Unseen,
}

impl Name {
    /// The name at the start of `bytes`, in any case, and its length: up to white space, `/`, `>` or the end.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> (Name, usize) {
        // Nearly all names end within eight bytes, which are looked at together.
        if let Some(chunk) = bytes.first_chunk::<8>() {
            let number = u64::from_le_bytes(*chunk);
            let length = first_end(number);
            if length < 8 && ends_name(chunk[length]) {
                return (of_key(folded(number) & ((1 << (8 * length)) - 1)), length);
            }
        }
        Name::read_slowly(bytes)
    }

    #[cold]
    fn read_slowly(bytes: &[u8]) -> (Name, usize) {
        let length = bytes.iter().position(|byte| ends_name(*byte)).unwrap_or(bytes.len());
        let found = NAMES.iter().find(|(text, _)| text.as_bytes().eq_ignore_ascii_case(&bytes[..length]));
        (found.map_or(Name::Other, |(_, name)| *name), length)
    }

    pub(super) fn role(self, namespace: Namespace) -> Role {
        match (namespace, self) {
            (Namespace::Html, _) => self.html_role(),
            // Each is a line of a drawing.
            (_, Name::Text) => Role::Block,
            (_, Name::Svg) => Role::Space,
            (_, Name::Annotation | Name::Desc | Name::Metadata | Name::Script | Name::Style | Name::Title) => {
                Role::Unseen
            }
            _ => Role::Inline,
        }
    }

    pub(super) fn html_role(self) -> Role {
        match self {
            Name::Address
            | Name::Article
            | Name::Aside
            | Name::Blockquote
            | Name::Br
            | Name::Caption
            | Name::Center
            | Name::Dd
            | Name::Details
            | Name::Dialog
            | Name::Dir
            | Name::Div
            | Name::Dl
            | Name::Dt
            | Name::Fieldset
            | Name::Figcaption
            | Name::Figure
            | Name::Footer
            | Name::Form
            | Name::Frameset
            | Name::H1
            | Name::H2
            | Name::H3
            | Name::H4
            | Name::H5
            | Name::H6
            | Name::Header
            | Name::Hgroup
            | Name::Hr
            | Name::Legend
            | Name::Li
            | Name::Listing
            | Name::Main
            | Name::Marquee
            | Name::Menu
            | Name::Nav
            | Name::Ol
            | Name::Optgroup
            | Name::Option
            | Name::P
            | Name::Plaintext
            | Name::Pre
            | Name::Search
            | Name::Section
            | Name::Summary
            | Name::Table
            | Name::Tbody
            | Name::Tfoot
            | Name::Thead
            | Name::Tr
            | Name::Ul
            | Name::Xmp => Role::Block,
            Name::Td | Name::Th => Role::Cell,
            Name::Applet | Name::Button | Name::Embed | Name::Image | Name::Img | Name::Input | Name::Object => {
                Role::Space
            }
            // Fallbacks are for browsers that lack the feature; a form's content is not the page's.
            Name::Audio | Name::Canvas | Name::Iframe | Name::Select | Name::Textarea | Name::Video => Role::Replaced,
            Name::Datalist
            | Name::Noembed
            | Name::Noframes
            | Name::Noscript
            | Name::Script
            | Name::Style
            | Name::Template
            | Name::Title => Role::Unseen,
            _ => Role::Inline,
        }
    }

    /// Whether an element of this name has no content and no end tag.
    pub(super) fn is_void(self) -> bool {
        matches!(
            self,
            Name::Area
                | Name::Base
                | Name::Basefont
                | Name::Bgsound
                | Name::Br
                | Name::Col
                | Name::Embed
                | Name::Frame
                | Name::Hr
                | Name::Image
                | Name::Img
                | Name::Input
                | Name::Keygen
                | Name::Link
                | Name::Meta
                | Name::Param
                | Name::Source
                | Name::Track
                | Name::Wbr
        )
    }

    /// The formatting elements of the standard, whose end tags close nothing but themselves.
    pub(super) fn is_formatting(self) -> bool {
        matches!(
            self,
            Name::A
                | Name::B
                | Name::Big
                | Name::Code
                | Name::Em
                | Name::Font
                | Name::I
                | Name::Nobr
                | Name::S
                | Name::Small
                | Name::Strike
                | Name::Strong
                | Name::Tt
                | Name::U
        )
    }

    /// Whether white space with a line break in it is a line break in such an element.
    pub(super) fn keeps_lines(self) -> bool {
        matches!(self, Name::Pre | Name::Listing | Name::Xmp | Name::Plaintext)
    }
}

fn ends_name(byte: u8) -> bool {
    matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

const ONES: u64 = u64::MAX / 0xFF;

/// Which byte of a number is the first that is a space, a control character, `/` or `>`; 8 if none is.
#[inline]
fn first_end(number: u64) -> usize {
    // A byte below a bound borrows and so sets its highest bit, and perhaps that of the one behind it: of several bits set,
    // the lowest is right.
    let below = |number: u64, bound: u8| number.wrapping_sub(ONES * u64::from(bound)) & !number & (ONES << 7);
    let equal = |byte: u8| below(number ^ (ONES * u64::from(byte)), 1);
    (below(number, b'!') | equal(b'/') | equal(b'>')).trailing_zeros() as usize / 8
}

/// Letters in lower case. Nothing that is neither letter nor digit becomes one, if it is not below a space.
const fn folded(number: u64) -> u64 {
    number | (ONES * 0x20)
}

/// The name of up to seven bytes, which are the lowest ones of `key`, in lower case.
#[inline]
fn of_key(key: u64) -> Name {
    let mut slot = slot_of(key);
    loop {
        match TABLE[slot] {
            (known, name) if known == key => return name,
            (0, _) => return Name::Other,
            _ => slot = (slot + 1) % TABLE.len(),
        }
    }
}

/// Multiplicative hashing: the upper bits depend on all of the name.
const fn slot_of(key: u64) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 55) as usize
}

/// Open addressing with free slots, so that looking up an unknown name ends soon. Zero is no name: a slot is free.
static TABLE: [(u64, Name); 512] = {
    let mut table = [(0, Name::Other); 512];
    let mut at = 0;
    while at < NAMES.len() {
        let (text, name) = NAMES[at];
        let text = text.as_bytes();
        at += 1;
        if text.len() > 7 {
            // Read slowly.
            continue;
        }
        let mut key = 0;
        let mut byte = 0;
        while byte < text.len() {
            key |= (text[byte] as u64) << (8 * byte);
            byte += 1;
        }
        let mut slot = slot_of(key);
        while table[slot].0 != 0 {
            slot = (slot + 1) % table.len();
        }
        table[slot] = (key, name);
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_unknown_ones_are_alike() {
        for (text, name) in NAMES {
            assert_eq!(Name::read(text.as_bytes()), (*name, text.len()));
            assert_eq!(Name::read(format!("{text} x").to_uppercase().as_bytes()), (*name, text.len()));
            assert_eq!(Name::read(format!("{text}>Some text").to_uppercase().as_bytes()), (*name, text.len()));
        }
        for other in
            ["my-element", "foreignObject", "h7", "svg:a", "ä", "a\0", "@", "!", "h!", "h\x11", "", "Q", "pr\u{C5}"]
        {
            for end in ["", ">", ">aaaaaaaa", " aaaaaaaa", "/>bbbbbbb", "\x0c>bbbbbb"] {
                assert_eq!(Name::read(format!("{other}{end}").as_bytes()), (Name::Other, other.len()), "{other}{end}");
            }
        }
    }
}
