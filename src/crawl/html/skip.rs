//! Where an element ends whose content is not seen, without a tree.
//!
//! The standard closes elements that the author forgot: a `<p>` at the next block, anything at its parent's end tag.
//! An element counted by its own tags alone would then hide the rest of the page. So the elements within it are kept
//! while it is open, and an end tag that belongs to none of them belongs to something around it.

use super::name::{Name, Role};

/// An element that is open and whose content is passed over.
#[derive(Debug)]
pub(super) struct Skip {
    root: Name,
    /// The open elements within, outermost first.
    open: Vec<Name>,
    /// How many more are open than are kept.
    deeper: usize,
}

const OPEN_MAX: usize = 128;

impl Skip {
    pub(super) fn new(root: Name) -> Skip {
        Skip { root, open: Vec::new(), deeper: 0 }
    }

    /// Whether links within are not links: a template's content is no part of the page.
    pub(super) fn is_inert(&self) -> bool {
        self.root == Name::Template || self.open.contains(&Name::Template)
    }

    /// Takes a start tag. `false` if the element had ended before it.
    pub(super) fn start(&mut self, name: Name, is_empty: bool) -> bool {
        if self.is_closed_by(name) {
            return false;
        }
        if is_empty {
            return true;
        }
        if self.open.len() < OPEN_MAX {
            self.open.push(name);
        } else {
            self.deeper += 1;
        }
        true
    }

    /// Takes an end tag. `false` if it ends the element, be it its own or that of something around it.
    pub(super) fn end(&mut self, name: Name) -> bool {
        if self.deeper > 0 {
            self.deeper -= 1;
            return true;
        }
        if let Some(at) = self.open.iter().rposition(|open| *open == name) {
            // What is open in a template cannot be closed from outside of its content, nor the reverse.
            if !self.open[at + 1..].contains(&Name::Template) {
                self.open.truncate(at);
            }
            return true;
        }
        if self.open.contains(&Name::Template) {
            return true;
        }
        name != self.root && !self.is_closed_from_outside(name)
    }

    /// Whether a start tag ends the element because the two cannot be nested.
    fn is_closed_by(&self, name: Name) -> bool {
        let is_bounded_by = |bounds: &[Name]| self.open.iter().any(|open| bounds.contains(open));
        let cells = [Name::Td, Name::Th];
        let sections = [Name::Tbody, Name::Thead, Name::Tfoot];
        match self.root {
            Name::P => {
                let is_block = name.html_role() == Role::Block && !matches!(name, Name::Br | Name::Text | Name::Legend);
                is_block && !is_bounded_by(&[Name::Button, Name::Object, Name::Table, Name::Template, Name::Marquee])
            }
            Name::Li => name == Name::Li && !is_bounded_by(&[Name::Ul, Name::Ol, Name::Menu, Name::Dir, Name::Table]),
            Name::Dd | Name::Dt => matches!(name, Name::Dd | Name::Dt) && !is_bounded_by(&[Name::Dl, Name::Table]),
            Name::Option => matches!(name, Name::Option | Name::Optgroup),
            Name::Td | Name::Th | Name::Tr | Name::Tbody | Name::Thead | Name::Tfoot
                if !is_bounded_by(&[Name::Table]) =>
            {
                sections.contains(&name)
                    || name == Name::Tr && !sections.contains(&self.root)
                    || cells.contains(&name) && cells.contains(&self.root)
            }
            Name::A | Name::Button | Name::Select => name == self.root,
            _ => false,
        }
    }

    /// Whether an end tag that belongs to nothing within ends the element, as its parent's does.
    fn is_closed_from_outside(&self, name: Name) -> bool {
        let is_seen_through = |name: Name| name == Name::Other || matches!(name.html_role(), Role::Inline);
        match name {
            // It closes itself alone, or nothing.
            Name::Body | Name::Html | Name::Br => false,
            Name::P if self.root != Name::Template => {
                is_seen_through(self.root) && self.open.iter().all(|open| is_seen_through(*open))
            }
            _ if self.root == Name::Template => false,
            // In a drawing or a formula, an end tag closes everything up to what it belongs to.
            Name::Svg | Name::Math => true,
            _ if name.is_void() || name.is_formatting() => false,
            _ if matches!(name.html_role(), Role::Block | Role::Cell) => true,
            _ => is_seen_through(self.root) && self.open.iter().all(|open| is_seen_through(*open)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs tags such as `+p` and `-p`; the index of the one that ends the element.
    fn ends_at(root: &str, tags: &str) -> Option<usize> {
        let mut skip = Skip::new(Name::read(root.as_bytes()).0);
        tags.split_whitespace().position(|tag| {
            let name = Name::read(&tag.as_bytes()[1..]).0;
            match tag.as_bytes()[0] {
                b'+' => !skip.start(name, name.is_void()),
                _ => !skip.end(name),
            }
        })
    }

    #[test]
    fn an_element_ends_where_the_standard_ends_it() {
        for (root, tags, end) in [
            ("div", "+div -div -div", Some(2)),
            ("div", "+p +p -div", Some(2)),
            ("div", "+br +img -b -p -div", Some(4)),
            ("div", "+ul +li -ul -section", Some(3)),
            ("p", "+b -b +p", Some(2)),
            ("p", "+button +div -div -button -p", Some(4)),
            ("p", "-div", Some(0)),
            ("li", "+ul +li -li -ul +li", Some(4)),
            ("td", "+table +tr +td -td -tr -table +td", Some(6)),
            ("tr", "+td +td +tr", Some(2)),
            ("span", "-b -i -em -p", Some(3)),
            ("span", "+div -p -em -div -span", Some(4)),
            ("template", "-div +td -body -template", Some(3)),
            ("noscript", "+template -noscript -template -noscript", Some(3)),
        ] {
            assert_eq!(ends_at(root, tags), end, "{root}: {tags}");
        }
    }

    #[test]
    fn elements_beyond_the_limit_are_counted() {
        let mut skip = Skip::new(Name::Div);
        for _ in 0..1000 {
            assert!(skip.start(Name::Div, false));
        }
        for _ in 0..1000 {
            assert!(skip.end(Name::Div));
        }
        assert!(!skip.end(Name::Div));
    }
}
