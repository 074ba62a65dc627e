//! Which changes of a repository matter to an image.

use imgfac_model::{RelativePath, Settings, Source};

/// The factory directory inside an image's own repository, where no state repository is set.
pub(crate) const FACTORY_DIRECTORY: &str = "image-factory";

/// `includePaths` and `excludePaths` of a git subscription.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
}

/// The paths of an image: its build context, its Dockerfile and, where the factory directory is in
/// the same repository, the file that enrols it; none when the context is the whole repository.
///
/// `entry` is that file, below the factory directory. People write it and we do not.
///
/// Where the factory directory lies inside the context, what we write there is excluded: else the
/// commit of one analysis would start that of every image of the repository.
pub(crate) fn watched_paths(source: &Source, settings: &Settings, entry: Option<&str>) -> Paths {
    let context = source.context();
    let entry = factory_directory(source, settings)
        .zip(entry)
        .and_then(|(directory, entry)| RelativePath::new(&join(directory, entry)).ok());
    let mut include = Vec::new();
    if !context.is_root() {
        include.push(&context);
        include.extend(
            [Some(&source.dockerfile), entry.as_ref()]
                .into_iter()
                .flatten()
                .filter(|path| !covers(&context, path)),
        );
    }
    include.sort();
    let exclude = factory_directory(source, settings)
        .into_iter()
        .flat_map(|directory| [join(directory, "dist"), join(directory, "state")])
        .filter(|written| context.is_root() || is_below(written, context.as_str()))
        .filter(|written| {
            [context.as_str(), source.dockerfile.as_str()]
                .iter()
                .all(|read| !is_below(read, written))
        })
        .map(|written| selector(&written))
        .collect();
    Paths {
        include: include.iter().map(|path| selector(path.as_str())).collect(),
        exclude,
    }
}

/// A selector that means this path and what is below it.
///
/// Kargo takes what follows `glob:`, `regex:` and `regexp:` for a pattern, and cleans any other
/// path before it compares (`pkg/pattern/matcher.go` of Kargo 1.11), so `./` disarms the prefix.
fn selector(path: &str) -> String {
    if ["glob:", "regex:", "regexp:"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
    {
        format!("./{path}")
    } else {
        path.to_owned()
    }
}

/// Whether Kargo takes a change of the path for one below the folder. It does not when the rest
/// has `..` anywhere, be it in the middle of a name.
fn covers(folder: &RelativePath, path: &RelativePath) -> bool {
    is_below(path.as_str(), folder.as_str())
        && !path
            .as_str()
            .get(folder.as_str().len()..)
            .is_some_and(|rest| rest.contains(".."))
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn join(folder: &str, name: &str) -> String {
    if folder == "." {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Where the factory directory is in the image's own repository and branch, if it is there.
fn factory_directory<'a>(source: &Source, settings: &'a Settings) -> Option<&'a str> {
    let Some(state) = &settings.state_repository else {
        return Some(FACTORY_DIRECTORY);
    };
    let same = plain_address(state.url.as_str()) == plain_address(&source.clone_url())
        && state.branch == source.branch;
    same.then(|| state.path.as_str())
}

/// An address without what two addresses of one repository may differ in.
fn plain_address(url: &str) -> String {
    let url = url.split_once("://").map_or(url, |(_, rest)| rest);
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url).to_lowercase()
}

#[cfg(test)]
mod tests {
    use imgfac_model::{Branch, Provider, RepoPath, StateRepository, WebUrl};

    use super::*;

    /// `state` is the factory directory in the same repository; `-` is another repository.
    fn check(dockerfile: &str, context: Option<&str>, state: &str, expected: &str) {
        let path = |text: &str| RelativePath::new(text).unwrap();
        let source = Source {
            provider: Provider::GitHub,
            host: None,
            repo: RepoPath::new("acme/shop").unwrap(),
            branch: Branch::default(),
            dockerfile: path(dockerfile),
            context: context.map(path),
            build_args: Default::default(),
            target: None,
            platforms: Vec::new(),
            workflow: None,
            inputs: Default::default(),
            cause_inputs: false,
            job: None,
            variables: Default::default(),
            url: None,
        };
        let (url, path) = match state {
            "-" => ("https://github.com/acme/state", RelativePath::root()),
            _ => ("https://GitHub.com/acme/shop/", path(state)),
        };
        let settings = Settings {
            state_repository: Some(StateRepository {
                url: WebUrl::new(url).unwrap(),
                branch: Branch::default(),
                path,
            }),
            ..Settings::default()
        };
        let paths = watched_paths(&source, &settings, Some("images.d/team.yaml"));
        assert_eq!(
            format!("+{} -{}", paths.include.join(","), paths.exclude.join(",")),
            expected,
            "{dockerfile} in {context:?}"
        );
    }

    #[test]
    fn the_context_and_a_dockerfile_outside_it_are_watched() {
        check("apps/web/Dockerfile", None, "-", "+apps/web -");
        check("apps/web/Dockerfile", Some("apps"), "-", "+apps -");
        check(
            "docker/web.Dockerfile",
            Some("apps/web"),
            "-",
            "+apps/web,docker/web.Dockerfile -",
        );
        check(
            "apps/web2/D",
            Some("apps/web"),
            "-",
            "+apps/web,apps/web2/D -",
        );
    }

    #[test]
    fn a_root_context_watches_everything() {
        check("Dockerfile", None, "-", "+ -");
        check("apps/Dockerfile", Some("."), "-", "+ -");
    }

    #[test]
    fn a_path_is_never_a_pattern() {
        check("glob:*/Dockerfile", None, "-", "+./glob:* -");
        check(
            "regex:.*",
            Some("regexp:x"),
            "-",
            "+./regex:.*,./regexp:x -",
        );
    }

    #[test]
    fn two_dots_in_a_name_do_not_hide_the_dockerfile() {
        check(
            "a/b..c/Dockerfile",
            Some("a"),
            "-",
            "+a,a/b..c/Dockerfile -",
        );
        check("b..c/Dockerfile", None, "-", "+b..c -");
    }

    #[test]
    fn our_own_commits_are_not_watched() {
        check(
            "Dockerfile",
            None,
            "ops/factory",
            "+ -ops/factory/dist,ops/factory/state",
        );
        check("Dockerfile", None, ".", "+ -dist,state");
        check(
            "apps/Dockerfile",
            None,
            "ops",
            "+apps,ops/images.d/team.yaml -",
        );
        check("ops/Dockerfile", None, "ops", "+ops -ops/dist,ops/state");
        check("dist/Dockerfile", None, ".", "+dist,images.d/team.yaml -");
        check("dist/x/Dockerfile", Some("."), ".", "+ -state");
    }
}
