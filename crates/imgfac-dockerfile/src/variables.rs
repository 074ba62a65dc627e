//! The variables that an expansion sees, and the values that BuildKit gives to some of them.

use std::collections::BTreeMap;

use crate::platform::Platform;

/// Variables with their values.
#[derive(Default)]
pub(crate) struct Variables<'a> {
    own: BTreeMap<String, String>,
    predefined: Option<Predefined<'a>>,
}

impl<'a> Variables<'a> {
    pub(crate) fn new(predefined: Predefined<'a>) -> Self {
        Self {
            own: BTreeMap::new(),
            predefined: Some(predefined),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.own.get(name) {
            return Some(value);
        }
        self.predefined.as_ref()?.get(name)
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.own.insert(name.to_owned(), value);
    }

    /// Forgets what was set.
    pub(crate) fn unset(&mut self, name: &str) {
        self.own.remove(name);
    }
}

/// The variables that are there without an `ARG`.
///
/// The platform that builds is always `linux/amd64`.
pub(crate) struct Predefined<'a> {
    /// The platform that is built for, and its name, if it is another one.
    target: Option<(Platform, String)>,
    target_stage: &'a str,
    build_args: &'a BTreeMap<String, String>,
}

impl<'a> Predefined<'a> {
    pub(crate) fn new(
        target: Option<Platform>,
        target_stage: &'a str,
        build_args: &'a BTreeMap<String, String>,
    ) -> Self {
        Self {
            target: target.map(|platform| {
                let name = platform.to_string();
                (platform, name)
            }),
            target_stage,
            build_args,
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let of_target = |default: &'static str, part: fn(&Platform) -> &String| {
            let platform = self.target.as_ref().map(|(platform, _)| part(platform));
            platform.map_or(default, String::as_str)
        };
        let value = match name {
            "BUILDPLATFORM" => "linux/amd64",
            "BUILDOS" => "linux",
            "BUILDARCH" => "amd64",
            "BUILDVARIANT" | "BUILDOSVERSION" => "",
            "TARGETPLATFORM" => {
                let name = self.target.as_ref().map(|(_, name)| name.as_str());
                name.unwrap_or("linux/amd64")
            }
            "TARGETOS" => of_target("linux", |p| &p.system),
            "TARGETOSVERSION" => of_target("", |p| &p.version),
            "TARGETARCH" => of_target("amd64", |p| &p.architecture),
            "TARGETVARIANT" => of_target("", |p| &p.variant),
            "TARGETSTAGE" => self.target_stage,
            _ => return None,
        };
        Some(self.build_args.get(name).map_or(value, String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_variables() {
        let none = BTreeMap::new();
        let check = |platform: &str, expected: [&str; 5]| {
            let predefined = Predefined::new(Platform::parse(platform), "default", &none);
            let variables = Variables::new(predefined);
            let names = [
                "TARGETPLATFORM",
                "TARGETOS",
                "TARGETARCH",
                "TARGETVARIANT",
                "TARGETOSVERSION",
            ];
            let found = names.map(|name| variables.get(name).unwrap());
            assert_eq!(found, expected, "{platform}");
        };
        check("", ["linux/amd64", "linux", "amd64", "", ""]);
        check("linux/arm", ["linux/arm/v7", "linux", "arm", "v7", ""]);
        check(
            "windows(10)/amd64",
            ["windows(10)/amd64", "windows", "amd64", "", "10"],
        );
    }

    #[test]
    fn later_values_win() {
        let build_args = BTreeMap::from([("TARGETARCH".to_owned(), "a".to_owned())]);
        let mut variables = Variables::new(Predefined::new(None, "x", &build_args));
        assert_eq!(variables.get("TARGETARCH"), Some("a"));
        assert_eq!(variables.get("BUILDARCH"), Some("amd64"));
        assert_eq!(variables.get("TARGETSTAGE"), Some("x"));
        assert_eq!(variables.get("OTHER"), None);
        variables.set("TARGETARCH", "b".to_owned());
        assert_eq!(variables.get("TARGETARCH"), Some("b"));
        variables.unset("TARGETARCH");
        assert_eq!(variables.get("TARGETARCH"), Some("a"));
    }
}
