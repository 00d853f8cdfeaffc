//! Whom to wake.

use crate::ids::ProcNumber;

/// Processes to be woken once the lock is released.
///
/// Mostly one or none, for which no memory is asked.
#[must_use = "somebody waits for this"]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wake {
    first: Option<ProcNumber>,
    others: Vec<ProcNumber>,
}

impl Wake {
    /// Nobody is to be woken.
    pub fn nobody() -> Wake {
        Wake::default()
    }

    pub(crate) fn one(place: ProcNumber) -> Wake {
        Wake { first: Some(place), others: Vec::new() }
    }

    pub(crate) fn add(&mut self, place: ProcNumber) {
        match self.first {
            None => self.first = Some(place),
            Some(_) => self.others.push(place),
        }
    }

    pub(crate) fn and(mut self, others: Wake) -> Wake {
        for place in others {
            self.add(place);
        }
        self
    }
}

impl IntoIterator for Wake {
    type Item = ProcNumber;
    type IntoIter = std::iter::Chain<std::option::IntoIter<ProcNumber>, std::vec::IntoIter<ProcNumber>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_woken_in_the_order_in_which_they_were_named() {
        let mut wake = Wake::nobody();
        assert_eq!(wake, Wake::default());
        wake.add(4);
        wake.add(2);
        let wake = Wake::nobody().and(wake).and(Wake::one(4)).and(Wake::nobody());
        assert_eq!(wake.into_iter().collect::<Vec<_>>(), [4, 2, 4]);
    }
}
