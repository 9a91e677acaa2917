//! The text that Markdown shows, without the signs that make it so: `CommonMark` with tables, struck-out text and task
//! lists, and the tags of HTML that shape text.

use std::fmt::Write;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// Tags that shape a text and are none of it. Whatever else stands in angle brackets is meant to be read.
const HTML_TAGS: [&str; 24] = [
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "del",
    "details",
    "div",
    "em",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "u",
    "ul",
];

/// What a listener hears in place of a block of code: the code itself helps nobody.
const CODE_BLOCK: &str = "code block";

/// The text as it is shown.
pub fn shown(text: &str) -> String {
    // A fence that stands alone begins or ends a block whose other lines come one by one.
    if ["```", "~~~"].iter().any(|fence| text.starts_with(fence)) {
        let label = text.trim_start_matches(['`', '~']);
        if !label.contains(['`', '~', ' ', '\n']) {
            return String::new();
        }
    }
    let text = &without_sums(text);
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut shown = Shown::default();
    for event in Parser::new_ext(text, options) {
        shown.take(event);
    }
    // `[disk]: full` would be the definition of a link, of which nothing is shown.
    if !shown.text.contains(char::is_alphanumeric) && text.contains(char::is_alphanumeric) {
        return text.to_owned();
    }
    shown.text
}

/// `>90%` is no quotation, and `5*60*1000` has nothing italic in it.
fn without_sums(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    let (mut before, mut rest) = (None, text.chars().peekable());
    while let Some(c) = rest.next() {
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let after = rest.peek().copied();
        let is_sign = (c == '*' && is_digit(before) && is_digit(after))
            || (c == '>' && before.is_none() && is_digit(after));
        if is_sign {
            escaped.push('\\');
        }
        escaped.push(c);
        before = Some(c);
    }
    escaped
}

#[derive(Default)]
struct Shown {
    text: String,
    /// What comes next is a sentence of its own.
    owes_stop: bool,
    /// We are in a block of code; whether there is something in it.
    code: Option<bool>,
    /// The next number of each list that we are in.
    lists: Vec<Option<u64>>,
}

impl Shown {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) => match &mut self.code {
                Some(has_code) => *has_code |= text.contains(char::is_alphanumeric),
                None => self.push(&text),
            },
            Event::Code(text) => self.push(&text),
            Event::Html(html) | Event::InlineHtml(html) => self.html(&html),
            Event::SoftBreak => self.push(" "),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => self.code = Some(false),
            Event::End(TagEnd::CodeBlock) => {
                if self.code.take() == Some(true) {
                    self.push(CODE_BLOCK);
                }
                self.owes_stop = true;
            }
            Event::Start(Tag::List(first)) => {
                self.owes_stop = true;
                self.lists.push(first);
            }
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
            }
            Event::Start(Tag::Item) => {
                self.owes_stop = true;
                if let Some(Some(number)) = self.lists.last_mut() {
                    let marker = format!("{number}. ");
                    *number += 1;
                    self.push(&marker);
                }
            }
            Event::End(TagEnd::TableCell) => self.push(", "),
            Event::HardBreak
            | Event::End(
                TagEnd::Paragraph
                | TagEnd::Heading(_)
                | TagEnd::Item
                | TagEnd::TableRow
                | TagEnd::TableHead,
            ) => self.owes_stop = true,
            Event::TaskListMarker(is_done) => self.push(if is_done { "done: " } else { "to do: " }),
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        if std::mem::take(&mut self.owes_stop) && !self.text.is_empty() {
            let n_kept = self.text.trim_end_matches([' ', ',']).len();
            self.text.truncate(n_kept);
            if self.text.ends_with(|c: char| c.is_alphanumeric() || matches!(c, ')' | '"' | '\'')) {
                self.text.push('.');
            }
            self.text.push(' ');
        }
        self.text.push_str(text);
    }

    /// Tags that shape go, others stay as they stand.
    fn html(&mut self, html: &str) {
        for (idx, part) in html.split('<').enumerate() {
            let (tag, text) = part.split_once('>').unwrap_or((part, ""));
            let name: String = tag
                .trim_start_matches('/')
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            if idx == 0 {
                self.push(part);
            } else if !part.contains('>') && !tag.starts_with("!--") {
                self.push("<"); // it opens nothing
                self.push(part);
            } else if HTML_TAGS.contains(&name.as_str()) || tag.starts_with("!--") {
                self.push(" ");
                self.push(text);
            } else {
                let close = if part.contains('>') { ">" } else { "" };
                let mut kept = String::new();
                // Writing into a string does not fail.
                let _written = write!(kept, "<{tag}{close}{text}");
                self.push(&kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_what_is_read() {
        for (text, expected) in [
            ("plain text", "plain text"),
            ("**bold** and _italic_ and ~~gone~~", "bold and italic and gone"),
            ("## A heading", "A heading"),
            ("- an item", "an item"),
            ("1. first\n2. second", "1. first. 2. second"),
            ("- [x] tests\n- [ ] docs", "done: tests. to do: docs"),
            ("> quoted", "quoted"),
            ("run `cargo test` now", "run cargo test now"),
            ("see [the docs](https://example.com/a) now", "see the docs now"),
            ("![a cat](cat.png)", "a cat"),
            ("```rust", ""),
            ("Look:\n```rust\nfn main() {}\n```\nDone", "Look: code block. Done"),
            ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b. 1, 2, "),
            ("a<br>b <b>c</b>", "a b  c "),
            ("<div>Hello</div>", " Hello "),
            ("<anna> hi", "<anna> hi"),
            ("<p value under 0.05", "<p value under 0.05"),
            ("```disk full``` on host3", "disk full on host3"),
            ("~~~ backup done ~~~", "~~~ backup done ~~~"),
            ("[disk]: full", "[disk]: full"),
            ("snake_case_name stays", "snake_case_name stays"),
            ("2 * 3 < 7 & 1 > 0", "2 * 3 < 7 & 1 > 0"),
            ("wrapped\nprose", "wrapped prose"),
            ("---", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
