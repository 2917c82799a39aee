//! Certificates by `openssl`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program_in_path;

/// What servers of the tests are called, as a rule.
const LOCAL: &str = "IP:127.0.0.1,DNS:localhost";
const WEEK: i32 = 7;

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
        let days = WEEK.to_string();
        new_key()
            .args(["-x509", "-days", &days, "-subj", "/CN=kafkastore tests"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .succeed();
        Authority { directory: directory.to_owned(), certificate, key }
    }

    /// Issues a certificate for `name`, for 127.0.0.1 and localhost, for servers and clients alike.
    pub fn issue(&self, name: &str) -> Certificate {
        self.sign(name, LOCAL, WEEK)
    }

    /// The same for a server that has another name than the one by which it is reached.
    pub fn issue_for_host(&self, name: &str, host: &str) -> Certificate {
        self.sign(name, &format!("DNS:{host}"), WEEK)
    }

    /// The same, but it ended yesterday.
    pub fn issue_expired(&self, name: &str) -> Certificate {
        self.sign(name, LOCAL, -1)
    }

    fn sign(&self, name: &str, hosts: &str, days: i32) -> Certificate {
        let file = |extension| self.directory.join(format!("{name}{days}.{extension}"));
        let (request, certificate, key) = (file("csr"), file("pem"), file("key"));
        new_key()
            .args(["-subj", &format!("/CN={name}")])
            .args(["-addext", &format!("subjectAltName={hosts}")])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&request)
            .succeed();
        openssl("x509")
            .args(["-req", "-copy_extensions", "copyall", "-CAcreateserial", "-days", &days.to_string()])
            .args([OsStr::new("-in"), request.as_ref(), "-out".as_ref(), certificate.as_ref()])
            .args([OsStr::new("-CA"), self.certificate.as_ref(), "-CAkey".as_ref(), self.key.as_ref()])
            .succeed();
        Certificate { certificate, key }
    }
}

fn openssl(command: &str) -> Command {
    let mut openssl = Command::new(program_in_path("openssl"));
    openssl.arg(command);
    openssl
}

/// Asks for a certificate with a new key.
fn new_key() -> Command {
    let mut openssl = openssl("req");
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl
}

trait Succeed {
    fn succeed(&mut self);
}

impl Succeed for Command {
    fn succeed(&mut self) {
        let output = self.output().expect("openssl was found");
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    }
}
