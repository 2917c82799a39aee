//! Certificates by `openssl`, good for a week.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program_in_path;

/// A certificate authority of the test's own.
pub struct Authority {
    directory: PathBuf,
    /// PEM file that the other side has to trust.
    pub certificate: PathBuf,
    key: PathBuf,
}

/// A certificate and its key (PKCS#8), each a PEM file.
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority whose files lie in `directory`.
    pub fn create(directory: &Path) -> Authority {
        let certificate = directory.join("ca.pem");
        let key = directory.join("ca.key");
        let subject = ["-subj", "/CN=kafkastore tests"];
        make_certificate(&certificate, &key, subject.map(OsStr::new));
        Authority { directory: directory.to_owned(), certificate, key }
    }

    /// Issues a certificate for `name`, for 127.0.0.1 and localhost, for servers and clients alike.
    pub fn issue(&self, name: &str) -> Certificate {
        let certificate = self.directory.join(format!("{name}.pem"));
        let key = self.directory.join(format!("{name}.key"));
        let subject = format!("/CN={name}");
        let extra: [&OsStr; 10] = [
            "-subj".as_ref(),
            subject.as_ref(),
            "-CA".as_ref(),
            self.certificate.as_ref(),
            "-CAkey".as_ref(),
            self.key.as_ref(),
            "-addext".as_ref(),
            "subjectAltName=IP:127.0.0.1,DNS:localhost".as_ref(),
            "-addext".as_ref(),
            "basicConstraints=critical,CA:FALSE".as_ref(),
        ];
        make_certificate(&certificate, &key, extra);
        Certificate { certificate, key }
    }
}

fn make_certificate<'a>(certificate: &Path, key: &Path, extra: impl IntoIterator<Item = &'a OsStr>) {
    let output = Command::new(program_in_path("openssl"))
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "7",
        ])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .args(extra)
        .output()
        .expect("openssl was found");
    assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
}
