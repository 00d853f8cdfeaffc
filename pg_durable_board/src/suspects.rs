//! Suspects: steps that were being carried out when their executor died.

use bytemuck::{Pod, Zeroable};

use crate::executors::EXECUTORS_MAX;
use crate::ids::{DatabaseId, InstanceNumber};

/// What an executor is carrying out, as the in-flight file keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct InFlight {
    /// Of which instance; 0 where nothing is carried out.
    pub instance: InstanceNumber,
    /// In which generation of the node.
    pub generation: i64,
    /// Where the instance is.
    pub database: DatabaseId,
    /// The node.
    pub node: u32,
}

/// See the module. Those for which there is no place are not suspected.
#[derive(Zeroable)]
#[repr(C)]
pub struct Suspects {
    suspects: [InFlight; EXECUTORS_MAX],
}

impl Suspects {
    /// At the start of the server: what the last one left.
    pub fn initialise(&mut self, suspects: Vec<InFlight>) {
        for (place, suspect) in self.suspects.iter_mut().zip(suspects) {
            *place = suspect;
        }
    }

    /// The suspects of this database; forgets them.
    pub fn take(&mut self, database: DatabaseId) -> Vec<InFlight> {
        let mut taken = Vec::new();
        for suspect in &mut self.suspects {
            if suspect.instance != 0 && suspect.database == database {
                taken.push(std::mem::take(suspect));
            }
        }
        taken
    }

    /// False where there is no place.
    pub(crate) fn add(&mut self, step: InFlight) -> bool {
        let free = self.suspects.iter_mut().find(|suspect| suspect.instance == 0);
        let has_place = free.is_some();
        if let Some(free) = free {
            *free = step;
        }
        has_place
    }

    pub(crate) fn in_use(&self) -> usize {
        self.suspects.iter().filter(|suspect| suspect.instance != 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(database: u32, node: u32) -> InFlight {
        InFlight { instance: 5, generation: 1, database: DatabaseId(database), node }
    }

    #[test]
    fn suspects_are_taken_once_by_their_database() {
        let mut suspects: Box<Suspects> = bytemuck::zeroed_box();
        suspects.initialise(vec![step(1, 1), step(2, 2), step(1, 3)]);
        assert!(suspects.add(step(2, 4)));
        assert_eq!(suspects.take(DatabaseId(1)), [step(1, 1), step(1, 3)]);
        assert_eq!(suspects.take(DatabaseId(1)), []);
        assert_eq!(suspects.take(DatabaseId(2)), [step(2, 2), step(2, 4)]);
    }

    #[test]
    fn one_suspect_too_many_goes_free() {
        let mut suspects: Box<Suspects> = bytemuck::zeroed_box();
        for node in 0..=EXECUTORS_MAX as u32 {
            assert_eq!(suspects.add(step(1, node)), node < EXECUTORS_MAX as u32);
        }
        assert_eq!(suspects.take(DatabaseId(1)).len(), EXECUTORS_MAX);
    }
}
