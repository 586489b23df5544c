//! A throwaway certificate authority, and what it vouches for: made by openssl, known to nobody else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// An authority of a test's own.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Where the certificate is.
    pub path: PathBuf,
    /// Where its key is.
    pub key: PathBuf,
}

impl Certificate {
    /// The two as they are written in files: certificate, key.
    ///
    /// # Panics
    /// Where they cannot be read.
    pub fn read(&self) -> (Vec<u8>, Vec<u8>) {
        let read = |path| fs::read(path).expect("openssl wrote it");
        (read(&self.path), read(&self.key))
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// Where openssl is missing or refuses.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let authority = Self { folder };
        let (key, path) = (authority.at("ca.key"), authority.at("ca.crt"));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=an authority of a test",
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-keyout",
            text(&key),
            "-out",
            text(&path),
        ]);
        authority
    }

    /// The authority's own certificate.
    pub fn root(&self) -> PathBuf {
        self.at("ca.crt")
    }

    /// Vouches for somebody, by name and by an address (`IP:127.0.0.1`).
    ///
    /// # Panics
    /// As [`Authority::new`].
    pub fn vouch(&self, name: &str, address: &str) -> Certificate {
        let certificate = Certificate {
            path: self.at(&format!("{name}.crt")),
            key: self.at(&format!("{name}.key")),
        };
        let request = self.at(&format!("{name}.csr"));
        let extension = self.at(&format!("{name}.ext"));
        fs::write(&extension, format!("subjectAltName={address}\n")).expect("it can be written");
        let subject = format!("/CN={name}");
        openssl(&[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            &subject,
            "-keyout",
            text(&certificate.key),
            "-out",
            text(&request),
        ]);
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            text(&request),
            "-CA",
            text(&self.root()),
            "-CAkey",
            text(&self.at("ca.key")),
            "-CAcreateserial",
            "-extfile",
            text(&extension),
            "-out",
            text(&certificate.path),
        ]);
        certificate
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl is installed");
    assert!(
        output.status.success(),
        "openssl: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
