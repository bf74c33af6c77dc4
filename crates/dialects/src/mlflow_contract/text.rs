//! The bytes of a body as text, in whichever encoding Python's `json.loads` recognises.

use std::borrow::Cow;

/// The text of `body`: UTF-8, UTF-16 or UTF-32, with or without a byte order mark. `None` when it is none of them.
pub(super) fn decode(body: &[u8]) -> Option<Cow<'_, str>> {
    let (encoding, text) = detect(body);
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(text).ok().map(Cow::Borrowed),
        Encoding::Utf16(order) => utf16(text, order).map(Cow::Owned),
        Encoding::Utf32(order) => utf32(text, order).map(Cow::Owned),
    }
}

#[derive(Clone, Copy)]
enum Order {
    Big,
    Little,
}

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16(Order),
    Utf32(Order),
}

/// The encoding by byte order mark, else by where the zero bytes stand (RFC 4627, section 3), and the text after
/// the mark.
fn detect(body: &[u8]) -> (Encoding, &[u8]) {
    const MARKS: [(&[u8], Encoding); 5] = [
        (&[0x00, 0x00, 0xFE, 0xFF], Encoding::Utf32(Order::Big)),
        (&[0xFF, 0xFE, 0x00, 0x00], Encoding::Utf32(Order::Little)),
        (&[0xFE, 0xFF], Encoding::Utf16(Order::Big)),
        (&[0xFF, 0xFE], Encoding::Utf16(Order::Little)),
        (&[0xEF, 0xBB, 0xBF], Encoding::Utf8),
    ];
    for (mark, encoding) in MARKS {
        if let Some(text) = body.strip_prefix(mark) {
            return (encoding, text);
        }
    }
    let encoding = match body {
        [0, 0, _, _, ..] => Encoding::Utf32(Order::Big),
        [0, _, _, _, ..] | [0, _] => Encoding::Utf16(Order::Big),
        [_, 0, 0, 0, ..] => Encoding::Utf32(Order::Little),
        [_, 0, _, _, ..] | [_, 0] => Encoding::Utf16(Order::Little),
        _ => Encoding::Utf8,
    };
    (encoding, body)
}

fn utf16(text: &[u8], order: Order) -> Option<String> {
    let (pairs, rest) = text.as_chunks::<2>();
    let units = pairs.iter().map(|pair| match order {
        Order::Big => u16::from_be_bytes(*pair),
        Order::Little => u16::from_le_bytes(*pair),
    });
    let text = char::decode_utf16(units).collect::<Result<String, _>>().ok()?;
    rest.is_empty().then_some(text)
}

fn utf32(text: &[u8], order: Order) -> Option<String> {
    let (fours, rest) = text.as_chunks::<4>();
    let chars = fours.iter().map(|four| {
        char::from_u32(match order {
            Order::Big => u32::from_be_bytes(*four),
            Order::Little => u32::from_le_bytes(*four),
        })
    });
    let text = chars.collect::<Option<String>>()?;
    rest.is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes16(text: &str, order: Order) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| match order {
                Order::Big => unit.to_be_bytes(),
                Order::Little => unit.to_le_bytes(),
            })
            .collect()
    }

    #[test]
    fn every_encoding_that_python_reads_is_read() {
        let text = r#"{"é": "🦀"}"#;
        let wide = |little: bool| -> Vec<u8> {
            text.chars()
                .flat_map(|c| if little { (c as u32).to_le_bytes() } else { (c as u32).to_be_bytes() })
                .collect()
        };
        let marked = |mark: &[u8], body: Vec<u8>| [mark, &body].concat();
        for body in [
            text.as_bytes().to_vec(),
            marked(&[0xEF, 0xBB, 0xBF], text.as_bytes().to_vec()),
            bytes16(text, Order::Big),
            bytes16(text, Order::Little),
            marked(&[0xFE, 0xFF], bytes16(text, Order::Big)),
            marked(&[0xFF, 0xFE], bytes16(text, Order::Little)),
            wide(false),
            wide(true),
            marked(&[0x00, 0x00, 0xFE, 0xFF], wide(false)),
            marked(&[0xFF, 0xFE, 0x00, 0x00], wide(true)),
        ] {
            assert_eq!(decode(&body).as_deref(), Some(text), "{body:x?}");
        }
    }

    #[test]
    fn broken_text_is_refused_not_mended() {
        for body in [&b"{\"a\": \"\xff\"}"[..], b"\xff\xfe{\x00}", b"\xff\xfe\x00\xd8", b"\0\0\0{\0\0\0"] {
            assert_eq!(decode(body), None, "{body:x?}");
        }
    }
}
