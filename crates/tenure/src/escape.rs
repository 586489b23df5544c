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

/// Control characters move the cursor or worse; the others cannot be seen, break lines, or turn the
/// direction of writing around, so that a text would not say what it seems to say.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(character, '\u{e0000}'..='\u{e007f}')
}

/// Bytes that come in pieces, for a terminal: what is no text is shown as such.
#[derive(Debug, Default)]
pub struct Screen {
    /// The beginning of a character whose rest has not come yet.
    begun: Vec<u8>,
}

impl Screen {
    /// What can be shown of what has come.
    pub fn show(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let whole = all.len() - incomplete(&all);
        self.begun = all.split_off(whole);
        block(&String::from_utf8_lossy(&all))
    }
}

/// How many bytes at the end are the beginning of a character.
fn incomplete(bytes: &[u8]) -> usize {
    let last = bytes
        .utf8_chunks()
        .last()
        .map_or(&[][..], |chunk| chunk.invalid());
    match std::str::from_utf8(last) {
        Err(error) if error.error_len().is_none() => last.len(),
        Ok(_) | Err(_) => 0,
    }
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
        assert_eq!(line("a\0b\u{7f}"), "a\\u{0}b\\u{7f}");
        let unseen = ('\u{200b}'..='\u{200f}')
            .chain('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
            .chain(['\u{feff}', '\u{2028}', '\u{2029}']);
        for character in unseen {
            let written_out = format!("\\u{{{:x}}}", u32::from(character));
            assert_eq!(line(&character.to_string()), written_out);
            assert_eq!(block(&character.to_string()), written_out);
        }
    }

    #[test]
    fn bytes_that_come_in_pieces_are_shown_as_if_they_had_come_at_once() {
        let text = "木 \u{202e}ä\x1b[2J\n".repeat(3);
        let mut bytes = text.clone().into_bytes();
        bytes.extend(b"\xff\xc3(\n");
        for size in 1..=bytes.len() {
            let mut screen = Screen::default();
            let shown: String = bytes.chunks(size).map(|piece| screen.show(piece)).collect();
            assert_eq!(
                shown,
                format!("{}\u{fffd}\u{fffd}(\n", block(&text)),
                "{size}"
            );
        }
    }

    #[test]
    fn a_long_line_is_shortened_by_characters() {
        assert_eq!(short("ääää", 4), "ääää");
        assert_eq!(short("äääää", 4), "äää…");
    }
}
