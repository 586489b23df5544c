//! What strangers wrote must not speak to a terminal: titles, reasons and logs are shown with
//! their control characters written out.

use std::fmt::Write as _;

/// One line: line breaks and tabs are written out as well.
pub fn line(text: &str) -> String {
    escape(text, &[])
}

/// Several lines: line breaks and tabs stay.
pub fn block(text: &str) -> String {
    escape(text, &['\n', '\t'])
}

/// At most so many characters of one line, with an ellipsis where some are missing.
pub fn short(text: &str, characters: usize) -> String {
    let whole = line(text);
    if whole.chars().count() <= characters {
        return whole;
    }
    let kept: String = whole.chars().take(characters.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn escape(text: &str, kept: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if kept.contains(&character) || !is_dangerous(character) {
            shown.push(character);
            continue;
        }
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(other));
            }
        }
    }
    shown
}

/// Control characters move the cursor or worse; the others turn the direction of writing around.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(line("a\x1b[31mb\nc\u{9b}d"), "a\\u{1b}[31mb\\nc\\u{9b}d");
        assert_eq!(block("a\n\tb\r\x07"), "a\n\tb\\r\\u{7}");
        assert_eq!(line("turned \u{202e}around"), "turned \\u{202e}around");
        assert_eq!(line("Größe 木"), "Größe 木");
    }

    #[test]
    fn a_long_line_is_shortened_by_characters() {
        assert_eq!(short("ääää", 4), "ääää");
        assert_eq!(short("äääää", 4), "äää…");
    }
}
