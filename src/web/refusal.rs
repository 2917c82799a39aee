//! Why somebody was not let in, in words for him. It goes through an address, so it is one of a few.

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("The sign-in was broken off.")]
    BrokenOff,
    #[error("The sign-in took too long, or was begun in another browser. Please try again.")]
    Stale,
    #[error("The provider did not answer as it should. Please try again.")]
    NotVouchedFor,
    #[error("The provider has not verified your address.")]
    Unverified,
    #[error("Your address is not one of those that may enter.")]
    NotListed,
    #[error("You are not signed in.")]
    Unknown,
}

const NAMES: [(Refusal, &str); 5] = [
    (Refusal::BrokenOff, "broken-off"),
    (Refusal::Stale, "stale"),
    (Refusal::NotVouchedFor, "not-vouched-for"),
    (Refusal::Unverified, "unverified"),
    (Refusal::NotListed, "not-listed"),
];

impl Refusal {
    /// A word for addresses and the log.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(refusal, _)| *refusal == self).map_or("unknown", |(_, name)| name)
    }

    /// Where it is shown.
    pub fn path(self) -> String {
        format!("/auth/failure?reason={}", self.name())
    }

    pub fn of_query(query: Option<&str>) -> Self {
        let name = query.and_then(|query| query.strip_prefix("reason="));
        NAMES.iter().find(|(_, known)| Some(*known) == name).map_or(Self::Unknown, |(refusal, _)| *refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_found_again_by_its_address_and_nothing_else_is_shown() {
        for (refusal, _) in NAMES {
            let path = refusal.path();
            assert_eq!(Refusal::of_query(path.split_once('?').map(|(_, query)| query)), refusal);
        }
        for query in [None, Some(""), Some("reason=<script>"), Some("message=stale")] {
            assert_eq!(Refusal::of_query(query), Refusal::Unknown);
        }
    }
}
