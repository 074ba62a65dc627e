//! Signatures of webhooks: who knows the secret sent this, and nobody changed it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::credentials::Secret;

/// The signature of a body, `sha256=` and the HMAC-SHA-256 of its bytes in hexadecimal: the form
/// that GitHub made common.
#[must_use]
pub fn signature(secret: &Secret, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://www.rfc-editor.org/rfc/rfc4231#section-4.3>, and a key longer than a block.
    #[test]
    fn it_is_that_of_the_standard() {
        for (secret, body, expected) in [
            (
                "Jefe".to_owned(),
                "what do ya want for nothing?",
                "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                String::new(),
                "",
                "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
            ),
        ] {
            assert_eq!(signature(&Secret::new(secret), body.as_bytes()), expected);
        }
    }
}
