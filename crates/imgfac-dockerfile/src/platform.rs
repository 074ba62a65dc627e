//! Platform names, as `FROM --platform` takes them.

const SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
    "zos",
];

const ARCHITECTURES: &[&str] = &[
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// Other names of systems and architectures.
const ALIASES: &[&str] = &[
    "macos", "i386", "x86_64", "x86-64", "aarch64", "armhf", "armel",
];

/// Whether the text is `os`, `arch`, `os/arch` or `os/arch/variant`.
pub(crate) fn is_platform(text: &str) -> bool {
    let mut parts = text.split('/');
    let Some(system) = parts.next() else {
        return false;
    };
    let rest: Vec<&str> = parts.take(3).collect();
    if !is_system(system) || !rest.iter().all(|part| is_part(part)) {
        return false;
    }
    match rest.as_slice() {
        [] => {
            let name = system
                .split('(')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            let whole = system.to_ascii_lowercase();
            SYSTEMS.contains(&name.as_str())
                || name == "macos"
                || ARCHITECTURES.contains(&whole.as_str())
                || ALIASES.contains(&whole.as_str())
        }
        [_] | [_, _] => true,
        _ => false,
    }
}

fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// A name, with a version and features in brackets: `windows(10.0.17763+win32k)`.
fn is_system(text: &str) -> bool {
    let (name, options) = match text.split_once('(') {
        Some((name, options)) => match options.strip_suffix(')') {
            Some(options) => (name, options),
            None => return false,
        },
        None => (text, ""),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    !name.is_empty()
        && name.bytes().all(is_name)
        && options.split('+').enumerate().all(|(n, option)| {
            (n == 0 || !option.is_empty() || options.is_empty())
                && option
                    .bytes()
                    .all(|b| is_name(b) || matches!(b, b'.' | b'%'))
                && has_whole_escapes(option)
        })
}

fn has_whole_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        rest.get(..2)
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_checked() {
        for text in [
            "linux",
            "linux/amd64",
            "linux/arm/v7",
            "amd64",
            "x86_64",
            "Linux/AMD64",
            "macos",
            "windows(10.0.17763)/amd64",
            "windows(10.0+a+b)",
            "any/thing",
            "i386",
            "a/b/c",
        ] {
            assert!(is_platform(text), "{text}");
        }
        for text in [
            "",
            "foo",
            "linux/",
            "/amd64",
            "linux/amd64/v1/x",
            "linux/*",
            "linux amd64",
            "li.nux/a",
            "windows(10/amd64",
            "linux//v7",
            "$X",
            "windows(%1)/a",
            "linux/amd64/",
            "a(b+)/c",
        ] {
            assert!(!is_platform(text), "{text}");
        }
    }
}
