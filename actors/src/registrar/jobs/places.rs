//! Places and regions as pages read them. Operators' orders add places.

use protocol::PlaceId;
use protocol::place::PlaceCode;
use registry::{PlaceRow, RegionRow};

use super::{Registrar, RegistrarError};

impl Registrar<'_> {
    /// Returns the place that a printed code leads to.
    pub fn place_of_link(&self, link: PlaceCode) -> Result<Option<PlaceRow>, RegistrarError> {
        Ok(self.registry.place_of_link(link)?)
    }

    /// Returns the place with that number.
    pub fn place(&self, id: PlaceId) -> Result<Option<PlaceRow>, RegistrarError> {
        Ok(self.registry.place(id)?)
    }

    /// Returns every region, in the order of their numbers.
    pub fn regions(&self) -> Result<Vec<RegionRow>, RegistrarError> {
        Ok(self.registry.regions()?)
    }
}
