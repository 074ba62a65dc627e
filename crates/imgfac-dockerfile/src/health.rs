//! The durations and counts of `HEALTHCHECK`.

/// Checks a duration: Go's syntax, zero or at least a millisecond.
pub(crate) fn check_interval(name: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    match nanoseconds(text) {
        None => Err(format!("time: invalid duration {text:?}")),
        Some(0) => Ok(()),
        Some(n) if n < 1_000_000 => Err(format!("Interval {name:?} cannot be less than 1ms")),
        Some(_) => Ok(()),
    }
}

/// Checks a number of retries.
pub(crate) fn check_retries(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    match text.parse::<i32>() {
        Ok(0..) => Ok(()),
        Ok(n) => Err(format!("--retries cannot be negative ({n})")),
        Err(_) => Err(format!(
            "strconv.ParseInt: parsing {text:?}: invalid syntax"
        )),
    }
}

/// Go's `time.ParseDuration`.
fn nanoseconds(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, more) = digits(rest);
        let (fraction, more) = match more.strip_prefix('.') {
            Some(more) => digits(more),
            None => ("", more),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = more
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(more.len());
        let (unit, more) = more.split_at_checked(end)?;
        let scale: u64 = match unit {
            "ns" => 1,
            "us" | "\u{B5}s" | "\u{3BC}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        let mut part = whole.checked_mul(scale)?;
        // Digits too small to count are dropped, as in a float.
        let mut unit_of_digit = scale;
        for digit in fraction.bytes() {
            unit_of_digit /= 10;
            part = part.checked_add(u64::from(digit - b'0') * unit_of_digit)?;
        }
        total = total.checked_add(part)?;
        if total > 1 << 63 {
            return None;
        }
        rest = more;
    }
    if negative {
        return Some(0_i64.checked_sub_unsigned(total).unwrap_or(i64::MIN));
    }
    i64::try_from(total).ok()
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for text in [
            "", "0", "0s", "-0", "1ms", "5m", "1.5h", "1h30m", "+3s", ".5s", "1.s", "1000us",
            "1µs1ms", "2562047h",
        ] {
            assert_eq!(check_interval("interval", text), Ok(()), "{text}");
        }
        for text in [
            "5",
            "1d",
            "s",
            "-",
            "-1s",
            "1us",
            "1 s",
            ".s",
            "1s ",
            "99999999999999999999s",
            "2562048h",
            "x",
        ] {
            assert!(check_interval("interval", text).is_err(), "{text}");
        }
    }

    #[test]
    fn retries_are_whole_and_not_negative() {
        for text in ["", "0", "3", "+3", "-0", "2147483647"] {
            assert_eq!(check_retries(text), Ok(()), "{text}");
        }
        for text in ["-1", "1.5", "x", " 1", "2147483648", "1_0"] {
            assert!(check_retries(text).is_err(), "{text}");
        }
    }
}
