//! What there is to say of a source or a warehouse, layer by layer: from a name to the settings of a server.

use millrace_core::code::Code;

use crate::error::Error;

/// What has to work, and what it rests on: each layer needs those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// What the project says of it.
    Settings,
    /// Files, their folder, and the room for them.
    Files,
    /// Another process that has it.
    Owner,
    /// The host's name.
    Dns,
    /// A connection to its port.
    Tcp,
    /// Encryption, and whose certificate it is.
    Tls,
    /// The user and what proves who that is.
    Authentication,
    /// The database.
    Database,
    /// What the user may do.
    Privileges,
    /// How the server is set up.
    Server,
}

impl Layer {
    /// Its word, as people and programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Files => "files",
            Self::Owner => "owner",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Authentication => "authentication",
            Self::Database => "database",
            Self::Privileges => "privileges",
            Self::Server => "server",
        }
    }
}

/// How it is with a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should know.
    Doubtful,
    /// It does not work.
    Failed,
    /// A layer before it does not work.
    NotLookedAt,
}

impl Verdict {
    /// Its word, as programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Failed => "failed",
            Self::NotLookedAt => "not_looked_at",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub layer: Layer,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen: a lower-case fragment without values of cells and without secrets.
    pub saw: String,
    /// What to do.
    pub hint: Option<String>,
    /// The code of the error because of which it does not work.
    pub code: Option<Code>,
}

/// What was found, the lowest layer first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    findings: Vec<Finding>,
}

impl Diagnosis {
    /// Notes what is as it should be.
    pub fn good(&mut self, layer: Layer, saw: impl Into<String>) {
        self.add(layer, Verdict::Good, saw.into(), None);
    }

    /// Notes what works, and how it would be better.
    pub fn doubtful(&mut self, layer: Layer, saw: impl Into<String>, hint: impl Into<String>) {
        self.add(layer, Verdict::Doubtful, saw.into(), Some(hint.into()));
    }

    /// Notes what does not work.
    pub fn failed(&mut self, layer: Layer, error: &Error) {
        let diagnostic = error.to_diagnostic();
        let hint = diagnostic.hint.filter(|hint| !hint.contains("`millrace doctor`"));
        let (verdict, saw, code) = (Verdict::Failed, error.to_string(), Some(diagnostic.code));
        self.findings.push(Finding { layer, verdict, saw, hint, code });
    }

    /// Notes what does not work, and that those of `layers` which rest on it were not looked at.
    pub fn ends(&mut self, layer: Layer, error: &Error, layers: &[Layer]) {
        self.failed(layer, error);
        let behind: Vec<Layer> = layers.iter().copied().filter(|other| *other > layer).collect();
        self.skip(&behind);
    }

    /// Notes that these were not looked at, because what they rest on does not work.
    pub fn skip(&mut self, layers: &[Layer]) {
        for layer in layers {
            self.add(*layer, Verdict::NotLookedAt, "not looked at".to_owned(), None);
        }
    }

    fn add(&mut self, layer: Layer, verdict: Verdict, saw: String, hint: Option<String>) {
        self.findings.push(Finding { layer, verdict, saw, hint, code: None });
    }

    /// Takes over what another one found.
    pub fn extend(&mut self, other: Self) {
        self.findings.extend(other.findings);
    }

    /// Whether something does not work.
    pub fn has_failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Failed)
    }

    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The same findings, none of them a failure: of one way out of several, where another one works.
    #[must_use]
    pub fn softened(mut self) -> Self {
        for finding in self.findings.iter_mut().filter(|finding| finding.verdict == Verdict::Failed) {
            finding.verdict = Verdict::Doubtful;
        }
        self
    }
}
