//! A factory directory that is open for a command.

use imgfac_model::{Code, Diagnostic, Span};
use imgfac_state::{Configuration, Files, Fleet, Lock, Store, Unreadable};

use crate::context::Context;
use crate::error::CliError;
use crate::render;

/// A factory directory with its configuration: a folder, or that of a commit.
pub(crate) struct Factory<F = Store> {
    pub(crate) store: F,
    pub(crate) configuration: Configuration,
    /// Held while the command may write.
    _lock: Option<Lock>,
}

/// Whether a command will write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Factory {
    /// Opens the directory and reads its configuration. Mistakes in it are shown; errors end the
    /// command before anything is changed.
    pub(crate) fn open(context: &mut Context<'_>, access: Access) -> Result<Self, CliError> {
        Self::open_unchecked(context, access)?.checked(context)
    }

    /// As [`Factory::open`], but leaves the mistakes to the caller.
    pub(crate) fn open_unchecked(context: &Context<'_>, access: Access) -> Result<Self, CliError> {
        let store = Store::open(&context.directory())?;
        let lock = match access {
            Access::Read => None,
            Access::Write => Some(store.lock()?),
        };
        Self::read(store, lock)
    }
}

impl<F: Files> Factory<F> {
    /// Reads the configuration.
    pub(crate) fn read(store: F, lock: Option<Lock>) -> Result<Self, CliError> {
        let configuration = Configuration::read(&store)?;
        tracing::info!(
            directory = %render::clean(&store.path().display().to_string()),
            images = configuration.images.len(),
            "configuration read"
        );
        Ok(Self {
            store,
            configuration,
            _lock: lock,
        })
    }

    /// Shows the mistakes of the configuration, and refuses one with errors.
    pub(crate) fn checked(self, context: &mut Context<'_>) -> Result<Self, CliError> {
        let configuration = &self.configuration;
        if !configuration.diagnostics.is_empty() && (!context.quiet || configuration.has_errors()) {
            render::diagnostics(
                context.err,
                self.store.path(),
                &configuration.files,
                &configuration.diagnostics,
            )?;
        }
        if configuration.has_errors() {
            let count = render::count_errors(&configuration.diagnostics);
            return Err(CliError::failed(format!(
                "the configuration has {count}; nothing was changed"
            )));
        }
        Ok(self)
    }

    /// Reads the state of the fleet.
    pub(crate) fn fleet(&self) -> Result<Fleet, CliError> {
        let now = Context::now()?.parse().map_err(CliError::failed)?;
        let fleet = Fleet::read_at(&self.store, now)?;
        tracing::info!(
            images = fleet.images.len(),
            bases = fleet.bases.len(),
            "state read"
        );
        Ok(fleet)
    }

    /// Shows which state files cannot be used, and gives them.
    pub(crate) fn tell_unreadable(
        &mut self,
        context: &mut Context<'_>,
        fleet: &Fleet,
    ) -> Result<Vec<Diagnostic>, CliError> {
        let unreadable = self.unreadable_state(fleet);
        render::diagnostics(
            context.err,
            self.store.path(),
            &self.configuration.files,
            &unreadable,
        )?;
        Ok(unreadable)
    }

    /// State files that cannot be used, as diagnostics that point into them.
    pub(crate) fn unreadable_state(&mut self, fleet: &Fleet) -> Vec<Diagnostic> {
        fleet
            .show_unreadable(&self.store, &mut self.configuration.files)
            .into_iter()
            .map(|(file, Unreadable { path, problem, .. })| {
                Diagnostic::error(
                    Code::UnreadableState,
                    format!("{path} cannot be used: {}", problem.reason),
                    Span {
                        file,
                        range: problem.span,
                    },
                    "",
                )
                .with_help("mend or delete it; until then it is left as it is")
            })
            .collect()
    }
    /// That it cannot be told who was told of what, as a diagnostic that points into the file.
    pub(crate) fn unusable_told(&mut self, fleet: &Fleet) -> Option<Diagnostic> {
        let problem = fleet.told.problem.as_ref()?;
        let path = "state/notifications.yaml";
        let bytes = self.store.read(path).ok().flatten().unwrap_or_default();
        let file = (self.configuration.files).add(path, String::from_utf8_lossy(&bytes));
        let range = problem.span.clone();
        let message = format!("{path} cannot be used: {}", problem.reason);
        let span = Span { file, range };
        Some(
            Diagnostic::warning(Code::UnreadableState, message, span, "")
                .with_help("whatever is the case is told once more, and takes its place"),
        )
    }
}
