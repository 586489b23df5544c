//! Sizes as people write them: `64MiB`.

/// Reads a size in bytes.
///
/// # Errors
/// Shows the text and how a size looks.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(factor);
    bytes
        .and_then(|(number, factor)| number.checked_mul(factor))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| {
            format!("{text:?} is no size: a number above 0 with its unit is expected, like 64MiB (B, KiB, MiB or GiB)")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit_and_not_without() {
        assert_eq!(parse("64MiB"), Ok(64 << 20));
        assert_eq!(parse("1 KiB"), Ok(1024));
        for wrong in ["", "64", "0B", "-1B", "64MB", "99999999999GiB"] {
            assert!(parse(wrong).is_err(), "{wrong:?} was taken for a size");
        }
    }
}
