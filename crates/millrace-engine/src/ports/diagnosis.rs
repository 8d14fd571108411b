//! The findings of `millrace doctor` about a source or a warehouse, layer by layer: from DNS to the
//! settings of the server.
//!
//! Layers are ordered: each one needs those before it. After the first failure the layers behind it
//! are reported as not looked at, so that the user reads the cause and not its consequences.

use millrace_core::code::Code;

use crate::error::Error;

/// A layer that has to work. The order of the variants is the order of the checks: each layer needs
/// those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The settings in the project.
    Settings,
    /// Files, their folder, and the free space.
    Files,
    /// Whether another process owns the file.
    Owner,
    /// Name resolution of the host.
    Dns,
    /// A TCP connection to the port.
    Tcp,
    /// The TLS handshake and the server's certificate.
    Tls,
    /// The user and the credentials.
    Authentication,
    /// The database.
    Database,
    /// The privileges of the user.
    Privileges,
    /// The configuration of the server.
    Server,
}

impl Layer {
    /// The layer's word, for people and in JSON.
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

/// The state of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Good,
    /// It works, but there is something to know.
    Doubtful,
    /// It does not work.
    Failed,
    /// It was not checked, because a layer before it does not work.
    NotLookedAt,
}

impl Verdict {
    /// The verdict's word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Failed => "failed",
            Self::NotLookedAt => "not_looked_at",
        }
    }
}

/// One observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The layer that was checked.
    pub layer: Layer,
    /// Its state.
    pub verdict: Verdict,
    /// The observation: a lower-case fragment without cell values and without secrets.
    pub saw: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The code of the error, if the verdict is `Failed`.
    pub code: Option<Code>,
}

/// All findings, the lowest layer first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    findings: Vec<Finding>,
}

impl Diagnosis {
    /// Adds a finding that all is well.
    pub fn good(&mut self, layer: Layer, saw: impl Into<String>) {
        self.add(layer, Verdict::Good, saw.into(), None);
    }

    /// Adds a finding that works, with a hint how to improve it.
    pub fn doubtful(&mut self, layer: Layer, saw: impl Into<String>, hint: impl Into<String>) {
        self.add(layer, Verdict::Doubtful, saw.into(), Some(hint.into()));
    }

    /// Adds a failure.
    pub fn failed(&mut self, layer: Layer, error: &Error) {
        let diagnostic = error.to_diagnostic();
        // The user runs `doctor` already; a hint to run it would lead in a circle.
        let hint = diagnostic.hint.filter(|hint| !hint.contains("`millrace doctor`"));
        let (verdict, saw, code) = (Verdict::Failed, error.to_string(), Some(diagnostic.code));
        self.findings.push(Finding { layer, verdict, saw, hint, code });
    }

    /// Adds a failure, and marks those of `layers` that come after it as not looked at.
    pub fn ends(&mut self, layer: Layer, error: &Error, layers: &[Layer]) {
        self.failed(layer, error);
        let behind: Vec<Layer> = layers.iter().copied().filter(|other| *other > layer).collect();
        self.skip(&behind);
    }

    /// Marks layers as not looked at, because a layer before them does not work.
    pub fn skip(&mut self, layers: &[Layer]) {
        for layer in layers {
            self.add(*layer, Verdict::NotLookedAt, "not looked at".to_owned(), None);
        }
    }

    fn add(&mut self, layer: Layer, verdict: Verdict, saw: String, hint: Option<String>) {
        self.findings.push(Finding { layer, verdict, saw, hint, code: None });
    }

    /// Appends the findings of another diagnosis.
    pub fn extend(&mut self, other: Self) {
        self.findings.extend(other.findings);
    }

    /// Whether any layer does not work.
    pub fn has_failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Failed)
    }

    /// The findings in order.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The same findings with failures turned into doubts: for one of several alternatives (two
    /// servers, say), if another alternative works.
    #[must_use]
    pub fn softened(mut self) -> Self {
        for finding in self.findings.iter_mut().filter(|finding| finding.verdict == Verdict::Failed) {
            finding.verdict = Verdict::Doubtful;
        }
        self
    }
}
