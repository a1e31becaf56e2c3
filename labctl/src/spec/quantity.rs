//! Numbers and words as people write them into an answers file.

use cel::Value;

use super::suggest::did_you_mean;
use super::value;

/// Decimal or `0x` hex, with `_` between digits, optionally negative.
///
/// # Errors
/// A lowercase fragment that says what is wrong.
pub fn integer(text: &str) -> Result<Value, String> {
    let number = whole(text)?;
    i64::try_from(number)
        .map(Value::Int)
        .or_else(|_| u64::try_from(number).map(Value::UInt))
        .map_err(|_| format!("`{text}` does not fit in 64 bits"))
}

fn whole(text: &str) -> Result<i128, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let wrong = || format!("`{text}` is not a whole number");
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (16, hex),
        None => (10, digits),
    };
    let digits = without_separators(digits).ok_or_else(wrong)?;
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(wrong());
    }
    let number =
        i128::from_str_radix(&digits, radix).map_err(|_| format!("`{text}` does not fit in 64 bits"))?;
    Ok(if negative { -number } else { number })
}

/// Digits without `_`; `None` when there is no digit, or a `_` at an end.
fn without_separators(digits: &str) -> Option<String> {
    if digits.is_empty() || digits.starts_with('_') || digits.ends_with('_') {
        return None;
    }
    Some(digits.chars().filter(|c| *c != '_').collect())
}

/// An address: `0x` hex, the sixteen bare hex digits that `%px` prints, or decimal.
///
/// # Errors
/// As [`integer`].
pub fn address(text: &str) -> Result<Value, String> {
    let bare = text.len() >= 8 && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if bare && text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return u64::from_str_radix(text, 16)
            .map(Value::UInt)
            .map_err(|_| format!("`{text}` is not an address"));
    }
    match whole(text) {
        Ok(number) => u64::try_from(number)
            .map(Value::UInt)
            .map_err(|_| format!("`{text}` is not a 64-bit address")),
        Err(_) => Err(format!("`{text}` is not an address; write it as 0x… in hex")),
    }
}

/// A unit's names and how many of the base unit it is: a power of ten or two as `numerator / denominator`.
type Unit = (&'static [&'static str], i128, i128);

const BYTES: &[Unit] = &[
    (&["b", "byte", "bytes"], 1, 1),
    (&["kb"], 1_000, 1),
    (&["mb"], 1_000_000, 1),
    (&["gb"], 1_000_000_000, 1),
    (&["tb"], 1_000_000_000_000, 1),
    (&["kib"], 1 << 10, 1),
    (&["mib"], 1 << 20, 1),
    (&["gib"], 1 << 30, 1),
    (&["tib"], 1 << 40, 1),
];

const SECONDS: &[Unit] = &[
    (&["s", "sec", "second", "seconds"], 1, 1),
    (&["ms", "millisecond", "milliseconds"], 1, 1_000),
    (&["us", "µs", "μs", "microsecond", "microseconds"], 1, 1_000_000),
    (&["ns", "nanosecond", "nanoseconds"], 1, 1_000_000_000),
    (&["min", "minute", "minutes"], 60, 1),
];

/// An amount of data, in bytes. `default` is the unit of a bare number.
///
/// # Errors
/// A lowercase fragment that says what is wrong.
pub fn bytes(text: &str, default: Option<&str>) -> Result<Value, String> {
    amount(
        text,
        default.unwrap_or("bytes"),
        BYTES,
        "an amount of data, like `4 GB` or `512`",
    )
}

/// A time, in seconds. `default` is the unit of a bare number.
///
/// # Errors
/// A lowercase fragment that says what is wrong.
pub fn seconds(text: &str, default: Option<&str>) -> Result<Value, String> {
    amount(
        text,
        default.unwrap_or("s"),
        SECONDS,
        "a time, like `80 ms` or `0.08`",
    )
}

/// Whether a unit of data has this name.
#[must_use]
pub fn is_byte_unit(unit: &str) -> bool {
    find(unit, BYTES).is_some()
}

/// Whether a unit of time has this name.
#[must_use]
pub fn is_time_unit(unit: &str) -> bool {
    find(unit, SECONDS).is_some()
}

fn find(unit: &str, units: &[Unit]) -> Option<(i128, i128)> {
    let unit = unit.to_lowercase();
    units
        .iter()
        .find(|(names, ..)| names.contains(&unit.as_str()))
        .map(|(_, over, under)| (*over, *under))
}

fn amount(text: &str, default: &str, units: &[Unit], what: &str) -> Result<Value, String> {
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let end = if is_hex {
        text.find(char::is_whitespace).unwrap_or(text.len())
    } else {
        text.find(|c: char| !c.is_ascii_digit() && !"._+-".contains(c))
            .unwrap_or(text.len())
    };
    let (number, unit) = (&text[..end], text[end..].trim());
    let unit = if unit.is_empty() { default } else { unit };
    let (over, under) = find(unit, units).ok_or_else(|| {
        let known = units.iter().flat_map(|(names, ..)| names.iter().copied());
        let hint = did_you_mean(&unit.to_lowercase(), known);
        format!("`{text}` is not {what}{hint}")
    })?;
    let wrong = |_| format!("`{text}` is not {what}");
    let (integral, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || number.ends_with('.') {
        return Err(wrong(String::new()));
    }
    // Digits that no double can hold: a computed number is written with all it has.
    let fraction = &fraction[..fraction.len().min(18)];
    let shift = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let mantissa = whole(&format!("{integral}{fraction}")).map_err(wrong)?;
    let numerator = mantissa
        .checked_mul(over)
        .ok_or_else(|| format!("`{text}` is too large"))?;
    let denominator = under * shift;
    if numerator % denominator == 0 {
        return i64::try_from(numerator / denominator)
            .map(Value::Int)
            .map_err(|_| format!("`{text}` is too large"));
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a fraction of a unit is compared with tolerance"
    )]
    Ok(Value::Float(numerator as f64 / denominator as f64))
}

/// A register of x86-64 under any of its names (`rdi`, `RDI`, `%rdi`, `di`, `regs->di`, `edi`), as `rdi`.
///
/// # Errors
/// A lowercase fragment that says what is wrong.
pub fn register(text: &str) -> Result<Value, String> {
    const CLASSIC: &[&str] = &["ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "ip"];
    let lower = text.trim().to_lowercase();
    let name = lower.strip_prefix("regs->").unwrap_or(&lower);
    let name = name.strip_prefix('%').unwrap_or(name);
    if let Some(number) = name.strip_prefix('r')
        && matches!(number.parse::<u8>(), Ok(8..=15))
    {
        return Ok(value::text(name));
    }
    let short = if name.len() == 3 {
        name.strip_prefix(['r', 'e']).unwrap_or(name)
    } else {
        name
    };
    if CLASSIC.contains(&short) {
        return Ok(value::text(format!("r{short}")));
    }
    let known = [
        "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "rip", "r8", "r9", "r10",
    ];
    Err(format!(
        "`{text}` is not a register of x86-64{}",
        did_you_mean(name, known)
    ))
}

/// Yes or no, in any case; also `y`, `n`, `true`, `false`.
///
/// # Errors
/// A lowercase fragment that says what is wrong.
pub fn yes_no(text: &str) -> Result<Value, String> {
    match text.trim().to_lowercase().as_str() {
        "yes" | "y" | "true" => Ok(Value::Bool(true)),
        "no" | "n" | "false" => Ok(Value::Bool(false)),
        _ => Err(format!("`{text}` is neither yes nor no")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        assert_eq!(integer("42"), Ok(Value::Int(42)));
        assert_eq!(integer("1_048_576"), Ok(Value::Int(1_048_576)));
        assert_eq!(integer("0x1_00"), Ok(Value::Int(256)));
        assert_eq!(integer("-5"), Ok(Value::Int(-5)));
        assert_eq!(
            integer("0xFFFF888112340050"),
            Ok(Value::UInt(0xffff_8881_1234_0050))
        );
        for wrong in [
            "",
            "_1",
            "1_",
            "4 GB",
            "1.5",
            "0x",
            "12a",
            "--1",
            "99999999999999999999",
        ] {
            assert!(integer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses() {
        let expected = Ok(Value::UInt(0xffff_8881_1234_0050));
        assert_eq!(address("0xFFFF_8881_1234_0050"), expected);
        assert_eq!(address("ffff888112340050"), expected);
        assert!(address("skb->data").is_err());
        assert!(address("0x1ffff888112340050").is_err());
    }

    #[test]
    fn amounts() {
        assert_eq!(bytes("4 GB", None), Ok(Value::Int(4_000_000_000)));
        assert_eq!(bytes("4", Some("GB")), Ok(Value::Int(4_000_000_000)));
        assert_eq!(bytes("1.5KiB", None), Ok(Value::Int(1536)));
        assert_eq!(bytes("1.47 MB", None), Ok(Value::Int(1_470_000)));
        assert_eq!(bytes("0x100 bytes", None), Ok(Value::Int(256)));
        assert_eq!(seconds("80 ms", None), Ok(Value::Float(0.08)));
        assert_eq!(seconds("2000ms", None), Ok(Value::Int(2)));
        assert_eq!(seconds("147 µs", None), Ok(Value::Float(0.000_147)));
        assert_eq!(
            seconds("0.00035274074074074076 s", None),
            Ok(Value::Float(0.000_352_740_740_740_740))
        );
        for wrong in ["", "GB", "4 gigs", "1..5", ".", "4.", "1e9", "5 ms"] {
            assert!(bytes(wrong, None).is_err(), "{wrong}");
        }
        assert!(bytes("4 GBs", None).unwrap_err().contains("did you mean `gb`"));
    }

    #[test]
    fn registers_by_any_name() {
        for name in ["rdi", "RDI", "%rdi", "di", "regs->di", "edi", " rdi "] {
            assert_eq!(register(name), Ok(value::text("rdi")), "{name}");
        }
        assert_eq!(register("r10"), Ok(value::text("r10")));
        assert!(register("rdj").unwrap_err().contains("did you mean `rdi`"));
        assert!(register("r99").is_err());
    }

    #[test]
    fn yes_and_no() {
        assert_eq!(yes_no("YES"), Ok(Value::Bool(true)));
        assert_eq!(yes_no("n"), Ok(Value::Bool(false)));
        assert!(yes_no("maybe").is_err());
    }

    mod properties {
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn nothing_panics(text in "\\PC{0,40}") {
                let parsers = [super::integer, super::address, super::register, super::yes_no];
                for parse in parsers {
                    prop_assert!(parse(&text).is_ok() || parse(&text).is_err_and(|what| !what.is_empty()));
                }
                prop_assert_eq!(super::bytes(&text, Some("GB")), super::bytes(&text, Some("gb")));
                prop_assert_eq!(super::seconds(&text, None), super::seconds(&text, Some("s")));
            }

            #[test]
            fn an_address_reads_back(address: u64) {
                prop_assert_eq!(super::address(&format!("{address:#x}")), Ok(cel::Value::UInt(address)));
            }
        }
    }
}
