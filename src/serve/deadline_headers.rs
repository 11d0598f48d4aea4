//! How long a caller waits, as the head of its request says it.
//!
//! Two headers do: gRPC's `grpc-timeout` (at most eight digits and a unit), and one of the
//! program's choice, in milliseconds. A value that is neither is ignored, as tonic does, and not
//! refused, as grpc-go does: a caller that says for how long it waits spares us work; a request
//! that can be answered need not fail for it.

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use std::time::Duration;

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Digits of `grpc-timeout` at most.
const DIGITS: usize = 8;

/// The units of `grpc-timeout`, from the finest: nanoseconds in each.
const UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60 * 1_000_000_000),
    (b'H', 3_600 * 1_000_000_000),
];

/// For how long the caller waits, if it says so; the shorter one if it says it twice.
pub(super) fn asked(headers: &HeaderMap, plain: &HeaderName) -> Option<Duration> {
    let plain = headers.get(plain).and_then(millis);
    let grpc = headers.get(GRPC_TIMEOUT).and_then(timeout);
    [plain, grpc].into_iter().flatten().min()
}

/// Says in the header that fits the request that its caller waits for `left`, unless it says there
/// already that it waits for less.
pub(super) fn tell(headers: &mut HeaderMap, plain: &HeaderName, left: Duration) {
    let grpc = HeaderName::from_static(GRPC_TIMEOUT);
    let is_grpc = grpc_type(headers).is_some();
    let name = if is_grpc { &grpc } else { plain };
    let said = headers.get(name);
    let (said, text) = match is_grpc {
        true => (said.and_then(timeout), timeout_text(left)),
        false => (said.and_then(millis), left.as_millis().to_string()),
    };
    if said.is_some_and(|said| said <= left) {
        return;
    }
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

/// The content type, if it is one of gRPC.
pub(super) fn grpc_type(headers: &HeaderMap) -> Option<&HeaderValue> {
    let value = headers.get(CONTENT_TYPE)?;
    let rest = value.as_bytes().strip_prefix(b"application/grpc")?;
    matches!(rest.first(), None | Some(b'+' | b';' | b'-')).then_some(value)
}

fn millis(value: &HeaderValue) -> Option<Duration> {
    number(value.as_bytes()).map(Duration::from_millis)
}

fn timeout(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    let (_, nanos) = UNITS.iter().find(|(known, _)| known == unit)?;
    let count = number(digits).filter(|_| digits.len() <= DIGITS)?;
    let (seconds, nanos) = match nanos / 1_000_000_000 {
        0 => (0, count * nanos),
        seconds => (count * seconds, 0),
    };
    Some(Duration::from_secs(seconds) + Duration::from_nanos(nanos))
}

fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None; // a sign, which `parse` would take
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// In the finest unit that has room for it, rounded down: no machine further on waits for longer.
fn timeout_text(left: Duration) -> String {
    let most = 10_u128.pow(DIGITS as u32) - 1;
    let counts = UNITS.map(|(unit, nanos)| (unit, left.as_nanos() / u128::from(nanos)));
    let fitting = counts.iter().find(|(_, count)| *count <= most);
    let (unit, count) = fitting.copied().unwrap_or((b'H', most));
    format!("{count}{}", char::from(unit))
}

#[cfg(test)]
mod tests {
    use super::{asked, tell, timeout_text};
    use hyper::HeaderMap;
    use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
    use std::time::Duration;

    const PLAIN: HeaderName = HeaderName::from_static("x-request-timeout-ms");

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let value = |bytes| HeaderValue::from_bytes(bytes).unwrap();
        let pairs = pairs.iter();
        pairs
            .map(|(name, bytes)| (HeaderName::from_static(name), value(bytes)))
            .collect()
    }

    #[test]
    fn every_unit_is_read_and_what_is_none_is_ignored() {
        let read = |value: &[u8]| asked(&headers(&[("grpc-timeout", value)]), &PLAIN);
        let hour = Duration::from_secs(3600);
        for (value, duration) in [
            ("7n", Duration::from_nanos(7)),
            ("7u", Duration::from_micros(7)),
            ("7m", Duration::from_millis(7)),
            ("7S", Duration::from_secs(7)),
            ("7M", Duration::from_secs(420)),
            ("7H", 7 * hour),
            ("0S", Duration::ZERO),
            ("00000007S", Duration::from_secs(7)),
            ("99999999H", 99_999_999 * hour),
        ] {
            assert_eq!(read(value.as_bytes()), Some(duration), "{value}");
        }
        let not = [
            "",
            "S",
            "7",
            "7s",
            "7h",
            "7 S",
            " 7S",
            "7S ",
            "+7S",
            "-7S",
            "7.5S",
            "0x7S",
            "7SS",
            "123456789S",
            "\u{bd}S",
        ];
        for value in not {
            assert_eq!(read(value.as_bytes()), None, "{value}");
        }
        let read = |value: &[u8]| asked(&headers(&[("x-request-timeout-ms", value)]), &PLAIN);
        assert_eq!(read(b"250"), Some(Duration::from_millis(250)));
        for value in ["", "+1", "1.5", "1s", "99999999999999999999"] {
            assert_eq!(read(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn of_two_the_shorter_one_is_meant() {
        let both = |grpc: &'static str, plain: &'static str| {
            let pairs = [
                ("grpc-timeout", grpc.as_bytes()),
                ("x-request-timeout-ms", plain.as_bytes()),
            ];
            asked(&headers(&pairs), &PLAIN).map(|duration| duration.as_millis())
        };
        assert_eq!(both("1S", "300"), Some(300));
        assert_eq!(both("1m", "300"), Some(1));
        assert_eq!(both("nonsense", "300"), Some(300));
    }

    #[test]
    fn what_is_told_is_no_more_than_is_left_and_has_room() {
        for (left, text) in [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_999), "100000u"),
            (Duration::from_secs(5), "5000000u"),
            (Duration::from_secs(30 * 3600), "108000S"), // 108000000m has nine digits
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(timeout_text(left), text);
        }
    }

    #[test]
    fn the_header_that_fits_the_request_is_written_unless_it_says_less() {
        let left = Duration::from_millis(1500);
        let mut plain = HeaderMap::new();
        tell(&mut plain, &PLAIN, left);
        assert_eq!(plain[PLAIN], "1500");
        tell(&mut plain, &PLAIN, Duration::from_millis(2500));
        assert_eq!(plain[PLAIN], "1500");
        for (kind, is_grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", true),
            ("application/grpcs", false),
            ("text/plain", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            tell(&mut headers, &PLAIN, left);
            assert_eq!(headers.contains_key("grpc-timeout"), is_grpc, "{kind}");
            assert_eq!(headers.contains_key(PLAIN), !is_grpc, "{kind}");
        }
    }
}
