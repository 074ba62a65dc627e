//! Platform names, as `--platform` takes them.

use std::fmt;

use crate::text::lossy;

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

/// A platform, with the names that containers use for its parts.
///
/// The rules are those of `github.com/containerd/platforms`, on a machine that is `linux/amd64`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) system: String,
    pub(crate) version: String,
    features: Vec<String>,
    pub(crate) architecture: String,
    pub(crate) variant: String,
}

impl Platform {
    /// Reads `os`, `arch`, `os/arch` or `os/arch/variant`; the version and features of the system
    /// may follow it in brackets, `windows(10.0.17763+win32k)`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let first = parts.next()?;
        let (system, version, features) = system(first)?;
        let mut platform = Self {
            system,
            version,
            features,
            architecture: String::new(),
            variant: String::new(),
        };
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) if SYSTEMS.contains(&platform.system.as_str()) => {
                "amd64".clone_into(&mut platform.architecture);
            }
            (None, ..) => {
                platform.set_architecture(first, "");
                if !ARCHITECTURES.contains(&platform.architecture.as_str()) {
                    return None;
                }
                "linux".clone_into(&mut platform.system);
            }
            (Some(architecture), None, _) if is_part(architecture) => {
                platform.set_architecture(architecture, "");
            }
            (Some(architecture), Some(variant), None)
                if is_part(architecture) && is_part(variant) =>
            {
                platform.set_architecture(architecture, variant);
            }
            _ => return None,
        }
        Some(platform)
    }

    fn set_architecture(&mut self, architecture: &str, variant: &str) {
        let architecture = architecture.to_ascii_lowercase();
        let variant = variant.to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("i386", _) => ("386", ""),
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
            ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            other => other,
        };
        architecture.clone_into(&mut self.architecture);
        variant.clone_into(&mut self.variant);
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.system)?;
        if !self.version.is_empty() || !self.features.is_empty() {
            write!(f, "({}", encode(&self.version))?;
            for feature in &self.features {
                write!(f, "+{}", encode(feature))?;
            }
            f.write_str(")")?;
        }
        write!(f, "/{}", self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The name of a system, its version, and its features in order.
fn system(text: &str) -> Option<(String, String, Vec<String>)> {
    let (name, options) = match text.split_once('(') {
        Some((name, options)) => (name, options.strip_suffix(')')?),
        None => (text, ""),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if name.is_empty() || !name.bytes().all(is_name) {
        return None;
    }
    let mut name = name.to_ascii_lowercase();
    if name == "macos" {
        "darwin".clone_into(&mut name);
    }
    let is_option = |b: u8| is_name(b) || matches!(b, b'.' | b'%');
    let mut options = options.split('+').map(|option| {
        let whole = option.bytes().all(is_option);
        whole.then(|| decode(option)).flatten()
    });
    let version = options.next()??;
    let mut features = Vec::new();
    for feature in options {
        let feature = feature?;
        if feature.is_empty() {
            return None;
        }
        features.push(feature);
    }
    features.sort_unstable();
    features.dedup();
    Some((name, version, features))
}

/// Replaces `%2B` and its like by the characters that they stand for.
fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(lossy(&bytes))
}

fn encode(text: &str) -> String {
    text.replace('%', "%25")
        .replace('+', "%2B")
        .replace('(', "%28")
        .replace(')', "%29")
        .replace('/', "%2F")
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
            assert!(Platform::parse(text).is_some(), "{text}");
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
            assert_eq!(Platform::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_made_canonical() {
        let check = |text: &str, expected: &str| {
            let platform = Platform::parse(text).unwrap();
            assert_eq!(platform.to_string(), expected, "{text}");
        };
        check("linux", "linux/amd64");
        check("arm64", "linux/arm64");
        check("Linux/X86_64/v1", "linux/amd64");
        check("linux/x86-64/v2", "linux/amd64/v2");
        check("linux/aarch64", "linux/arm64");
        check("linux/arm64/v8", "linux/arm64");
        check("linux/arm64/9", "linux/arm64/v9");
        check("linux/arm", "linux/arm/v7");
        check("linux/arm/6", "linux/arm/v6");
        check("armel", "linux/arm/v6");
        check("linux/armhf/v6", "linux/arm/v7");
        check("linux/i386/x", "linux/386");
        check("macos", "darwin/amd64");
        check("windows(10.0+b+a+b)/amd64", "windows(10.0+a+b)/amd64");
        check("windows(1%2B0)/amd64", "windows(1%2B0)/amd64");
        check("any/thing/V1", "any/thing/v1");
    }
}
