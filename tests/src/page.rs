//! Code blocks of a Markdown page, so that a test can run what the README shows.

/// The blocks between fences that open with exactly this line, the language included.
///
/// # Panics
/// Where a block has no end.
pub fn blocks(page: &str, opening: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim_end() != opening {
            continue;
        }
        let mut block = String::new();
        loop {
            match lines.next() {
                Some("```") => break,
                Some(line) => {
                    block.push_str(line);
                    block.push('\n');
                }
                None => panic!("the block {opening:?} has no end"),
            }
        }
        found.push(block);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_what_stands_between_its_fences() {
        let page = "text\n```sh\na\n\nb\n```\n```rust\nc\n```\n";
        assert_eq!(blocks(page, "```sh"), ["a\n\nb\n"]);
        assert!(blocks(page, "```python").is_empty());
    }
}
