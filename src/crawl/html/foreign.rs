//! Where a document is SVG or MathML: there, no element has raw text, `/>` closes, and CDATA sections exist.
//!
//! The standard decides this with its stack of open elements. Here only the borders are kept: the roots, and the
//! places within them where HTML resumes. That differs from the standard only for content that leaves such a place
//! without closing it.

use super::name::Name;
use super::tokens::Attribute;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Html,
    Svg,
    MathMl,
}

/// The borders that are open, outermost first.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    borders: Vec<Border>,
}

#[derive(Debug)]
struct Border {
    /// What is within.
    within: Namespace,
    /// Whose end tag closes it.
    owner: Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Name(Name),
    /// Too long for a [`Name`].
    ForeignObject,
    AnnotationXml,
}

/// Borders deeper than this are not kept: what is within them counts as what is around them.
const BORDERS_MAX: usize = 64;

impl Owner {
    fn of(name: Name, raw_name: &str) -> Owner {
        if name == Name::Other && raw_name.eq_ignore_ascii_case("foreignobject") {
            Owner::ForeignObject
        } else if name == Name::Other && raw_name.eq_ignore_ascii_case("annotation-xml") {
            Owner::AnnotationXml
        } else {
            Owner::Name(name)
        }
    }
}

impl Foreign {
    pub(super) fn namespace(&self) -> Namespace {
        self.borders.last().map_or(Namespace::Html, |border| border.within)
    }

    /// Crosses the border that a start tag opens, if it does, and leaves foreign content if it belongs outside.
    /// Returns the namespace of the element itself.
    pub(super) fn start(
        &mut self,
        name: Name,
        raw_name: &str,
        attributes: &[Attribute<'_>],
        self_closing: bool,
    ) -> Namespace {
        if self.borders.is_empty() && name != Name::Svg && name != Name::Math {
            return Namespace::Html;
        }
        if self.namespace() != Namespace::Html && breaks_out(name, attributes) {
            self.leave();
        }
        let around = self.namespace();
        let itself = match (around, name) {
            (_, Name::Svg) if around != Namespace::MathMl => Namespace::Svg,
            (Namespace::Html, Name::Math) => Namespace::MathMl,
            _ => around,
        };
        let within = match (itself, Owner::of(name, raw_name)) {
            // Also where one is a mere element of the other: its end tag closes what is open in it.
            (Namespace::Svg | Namespace::MathMl, Owner::Name(Name::Svg | Name::Math)) => Some(itself),
            (Namespace::Svg, Owner::ForeignObject | Owner::Name(Name::Desc | Name::Title))
            | (Namespace::MathMl, Owner::Name(Name::Mi | Name::Mn | Name::Mo | Name::Ms | Name::Mtext)) => {
                Some(Namespace::Html)
            }
            (Namespace::MathMl, Owner::AnnotationXml) => {
                let encoding = attributes.iter().find(|attribute| attribute.is("encoding"));
                let is_html = encoding.is_some_and(|encoding| {
                    ["text/html", "application/xhtml+xml"].iter().any(|html| encoding.value.eq_ignore_ascii_case(html))
                });
                is_html.then_some(Namespace::Html)
            }
            _ => None,
        };
        if let Some(within) = within.filter(|_| !self_closing && self.borders.len() < BORDERS_MAX) {
            self.borders.push(Border { within, owner: Owner::of(name, raw_name) });
        }
        itself
    }

    /// Crosses back over the border that an end tag closes, if it does.
    pub(super) fn end(&mut self, name: Name, raw_name: &str) {
        if self.borders.is_empty() {
            return;
        }
        if self.namespace() != Namespace::Html && matches!(name, Name::P | Name::Br) {
            return self.leave();
        }
        let owner = Owner::of(name, raw_name);
        // From within HTML inside of a drawing only the border itself or the drawing's root can be closed.
        if let Some(at) = self.borders.iter().rposition(|border| border.owner == owner) {
            self.borders.truncate(at);
        }
    }

    fn leave(&mut self) {
        while self.namespace() != Namespace::Html {
            self.borders.pop();
        }
    }
}

/// The start tags that end foreign content (HTML standard 13.2.6.5).
fn breaks_out(name: Name, attributes: &[Attribute<'_>]) -> bool {
    match name {
        Name::B
        | Name::Big
        | Name::Blockquote
        | Name::Body
        | Name::Br
        | Name::Center
        | Name::Code
        | Name::Dd
        | Name::Div
        | Name::Dl
        | Name::Dt
        | Name::Em
        | Name::Embed
        | Name::H1
        | Name::H2
        | Name::H3
        | Name::H4
        | Name::H5
        | Name::H6
        | Name::Head
        | Name::Hr
        | Name::I
        | Name::Img
        | Name::Li
        | Name::Listing
        | Name::Menu
        | Name::Meta
        | Name::Nobr
        | Name::Ol
        | Name::P
        | Name::Pre
        | Name::Ruby
        | Name::S
        | Name::Small
        | Name::Span
        | Name::Strike
        | Name::Strong
        | Name::Sub
        | Name::Sup
        | Name::Table
        | Name::Tt
        | Name::U
        | Name::Ul
        | Name::Var => true,
        Name::Font => {
            attributes.iter().any(|attribute| ["color", "face", "size"].iter().any(|name| attribute.is(name)))
        }
        _ => false,
    }
}
