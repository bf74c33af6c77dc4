//! Which servers a route may ask that was made at run time: public ones, however their address is written.
//!
//! Whoever may make routes must not reach what only this machine or its network reaches. What stands in the URL is
//! judged here; what a name leads to is judged with [`is_public`] when a connection is opened.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::{IpNet, Ipv6Net};

/// Networks that are not public (IANA's registries of special-purpose addresses), and those of clouds' metadata that
/// no other network here has. Of IPv6, everything outside of [`UNICAST`] is not public either.
static CLOSED: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let networks = [
        "0.0.0.0/8",        // this network
        "10.0.0.0/8",       // private
        "100.64.0.0/10",    // shared by a provider's customers; Alibaba's metadata
        "127.0.0.0/8",      // loopback
        "168.63.129.16/32", // Azure's metadata
        "169.254.0.0/16",   // link-local; most clouds' metadata
        "172.16.0.0/12",    // private
        "192.0.0.0/24",     // protocol assignments; Oracle's metadata
        "192.88.99.0/24",   // relays of 6to4
        "192.168.0.0/16",   // private
        "198.18.0.0/15",    // benchmarks
        "224.0.0.0/4",      // multicast
        "240.0.0.0/4",      // reserved, broadcast
        "2001::/23",        // protocol assignments, Teredo among them
    ];
    networks.iter().filter_map(|network| network.parse().ok()).collect()
});
/// Global unicast (RFC 4291, section 2.4).
static UNICAST: LazyLock<Option<Ipv6Net>> = LazyLock::new(|| "2000::/3".parse().ok());

/// Names that lead to this machine or its network by definition (RFC 6761, RFC 6762), or in every usual hosts file.
const CLOSED_NAMES: [&str; 5] = ["localhost", "local", "localdomain", "internal", "home.arpa"];
const CLOSED_ALIASES: [&str; 3] = ["ip6-localhost", "ip6-loopback", "metadata"];

/// Whether everybody on the Internet can have this address: not private, local, shared or reserved, also inside an
/// IPv6 address that stands for an IPv4 one.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !is_closed(address),
        IpAddr::V6(v6) => match embedded(v6) {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => UNICAST.is_some_and(|unicast| unicast.contains(&v6)) && !is_closed(address),
        },
    }
}

fn is_closed(address: IpAddr) -> bool {
    CLOSED.iter().any(|network| network.contains(&address))
}

/// The IPv4 address to which an IPv6 one leads: mapped (RFC 4291), by NAT64 (RFC 6052) or by 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// Why a URL cannot be the base of a route that was made at run time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is no plain `http://` or `https://` URL.
    Url(&'static str),
    /// It leads to an address that is not public.
    Closed,
}

/// Whether a URL can be the base of a run-time route. Narrower than what URLs may be, so that no two readers can find
/// different hosts in it.
pub(crate) fn check_url(url: &str) -> Result<(), Unfit> {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| starts_with(url, scheme));
    let rest = scheme.map(|scheme| &url[scheme.len()..]).ok_or(Unfit::Url("an http:// or https:// URL"))?;
    if !rest.bytes().all(|byte| byte.is_ascii_graphic() && !br#""\^`{|}<>"#.contains(&byte)) {
        return Err(Unfit::Url("a URL of plain characters, without blanks, braces and backslashes"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(Unfit::Url("a URL without a user name"));
    }
    let (host, port) = split(authority).ok_or(Unfit::Url("a URL with a host"))?;
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err(Unfit::Url("a URL whose port is a number from 1 to 65535"));
    }
    let host = Host::read(host).ok_or(Unfit::Url("a URL whose host is a name or an address"))?;
    if host.is_closed() { Err(Unfit::Closed) } else { Ok(()) }
}

fn starts_with(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn split(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let end = authority.find(']')?;
        let (host, rest) = authority.split_at(end + 1);
        return match rest.strip_prefix(':') {
            None if rest.is_empty() => Some((host, None)),
            port => port.map(|port| (host, Some(port))),
        };
    }
    match authority.split_once(':') {
        None => Some((authority, None)),
        Some((host, port)) => Some((host, Some(port))),
    }
}

enum Host {
    Address(IpAddr),
    /// In lower case, without a dot at its end.
    Name(String),
}

impl Host {
    fn read(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix('[') {
            return Some(Self::Address(IpAddr::V6(address.strip_suffix(']')?.parse().ok()?)));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label = |label: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(allowed)
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return None;
        }
        // What ends in a number is an address or nothing (WHATWG URL, "ends in a number").
        let last = name.rsplit('.').next().unwrap_or_default();
        if number(last).is_some() || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Address(IpAddr::V4(loose_v4(&name)?)));
        }
        Some(Self::Name(name))
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Address(address) => !is_public(*address),
            Self::Name(name) => {
                let below = |parent: &&str| {
                    name.strip_suffix(*parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                };
                CLOSED_ALIASES.contains(&name.as_str()) || CLOSED_NAMES.iter().any(below)
            }
        }
    }
}

/// An IPv4 address as the C library reads it: one to four numbers, decimal, octal or hexadecimal, of which the last
/// fills what is left.
fn loose_v4(text: &str) -> Option<Ipv4Addr> {
    let numbers = text.split('.').map(number).collect::<Option<Vec<_>>>()?;
    let (last, rest) = numbers.split_last()?;
    if rest.len() > 3 || rest.iter().any(|number| *number > 255) {
        return None;
    }
    let high = rest.iter().fold(0_u64, |high, number| high << 8 | number) << (8 * (4 - rest.len()));
    let room = 1_u64 << (8 * (4 - rest.len()));
    (*last < room).then(|| u32::try_from(high | last).ok()).flatten().map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some("") => return Some(0),
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    digits
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric())
        .then(|| u64::from_str_radix(digits, radix).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_private_address_gets_through() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7F.1",
            "0177.0.0.1",
            "017700000001",
            "0x7f.0x0.0x0.0x1",
            "0",
            "0.0.0.0",
            "0x0",
            "10.0.0.1",
            "10.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.168.257",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "168.63.129.16",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "printer.local",
            "localhost.localdomain",
            "ip6-localhost",
            "metadata.google.internal",
            "metadata",
            "[::1]",
            "[::]",
            "[0:0:0:0:0:0:0:1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2002:a9fe:a9fe::1]",
            "[2001::1]",
            "[2001:0:53aa:64c::1]",
            "[100::1]",
            "[fec0::1]",
        ] {
            for url in
                [format!("http://{host}/v1"), format!("HTTPS://{host}:8443?x=1"), format!("http://{host}")]
            {
                assert_eq!(check_url(&url), Err(Unfit::Closed), "{url}");
            }
        }
    }

    #[test]
    fn what_readers_may_read_differently_is_no_url() {
        for url in [
            "",
            "127.0.0.1",
            "//127.0.0.1/",
            "ftp://example.com",
            "file:///etc/passwd",
            "http:/example.com",
            "http://",
            "http:///v1",
            "http://@127.0.0.1",
            "http://example.com@127.0.0.1/",
            "http://u:p@example.com",
            "http://127.0.0.1\\@example.com",
            "http://example.com\\.evil",
            "http://exa mple.com",
            "http://a\tb",
            "http://[::1",
            "http://::1/",
            "http://[fe80::1%25eth0]/",
            "http://[::1]x",
            "http://127.0.0.1%2f",
            "http://%31%32%37.0.0.1",
            "http://example..com",
            "http://.example.com",
            "http://example.com..",
            "http://example.com:0",
            "http://example.com:99999",
            "http://example.com:8a",
            "http://example.com:",
            "http://①②⑦.⓪.⓪.①",
            "http://ⓛocalhost",
            "http://127。0。0。1",
            "http://1.2.3.4.5",
            "http://1.2.3.256",
            "http://09.0.0.1",
            "http://256.1.1.1",
            "http://4294967296",
            "http://{host}/",
            "http://h/{key}",
        ] {
            assert!(matches!(check_url(url), Err(Unfit::Url(_))), "{url}: {:?}", check_url(url));
        }
    }

    #[test]
    fn public_servers_are_let_through() {
        for url in [
            "https://api.openai.com/v1",
            "http://example.com",
            "https://example.com.:8443/a?b=c",
            "https://my_team.openai.azure.com/",
            "http://8.8.8.8/",
            "http://172.15.0.1/",
            "http://172.32.0.1",
            "http://100.128.0.1",
            "http://0x08080808/",
            "http://[2606:4700::1111]/v1",
            "http://[::ffff:8.8.8.8]",
            "http://[64:ff9b::8.8.8.8]",
            "https://localhost.example.com",
            "https://internal.example.com",
            "https://notlocal",
            "https://1.2.3.4.example",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
    }
}
