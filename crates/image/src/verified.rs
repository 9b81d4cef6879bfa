use std::ops::Deref;

/// A value whose bytes have been compared with a digest that is trusted.
///
/// There is no public constructor: the functions that check are the only ones that make it
/// ([`Pin::verify`](crate::Pin::verify), [`RootManifest::verify`](crate::RootManifest::verify)), and
/// whatever boots takes a `Verified`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) fn vouch(value: T) -> Self {
        Self(value)
    }

    /// The value, without the proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
