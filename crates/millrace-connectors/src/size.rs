//! Formats sizes for people.

/// Formats a number of bytes, such as `12.4 MB`. Units are decimal: 1 kB is 1,000 bytes.
pub(crate) fn shown(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} bytes");
    }
    let mut size = bytes as f64 / 1_000.0;
    let mut unit = 0;
    // From 999.95 on, one decimal would be rounded to 1000.0 of the smaller unit.
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1_000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (12_400_000, "12.4 MB"),
            (u64::MAX, "18446744.1 TB"),
        ] {
            assert_eq!(shown(bytes), text);
        }
    }
}
