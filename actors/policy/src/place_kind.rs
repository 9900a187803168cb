//! The kinds of places, on which the policy's advice depends.

protocol::numbered! {
    /// The kind of a place or of a unit with a code of its own. The registry stores the number.
    pub enum PlaceKind {
        /// A checkpoint of the city: the default.
        Checkpoint = 1 => "checkpoint",
        /// A workplace.
        Workplace = 2 => "workplace",
        /// A residential compound.
        Compound = 3 => "compound",
        /// A village.
        Village = 4 => "village",
        /// A building.
        Building = 5 => "building",
        /// A bus, a taxi, a train.
        Vehicle = 6 => "vehicle",
        /// A school.
        School = 7 => "school",
        /// A hospital.
        Hospital = 8 => "hospital",
        /// A railway or bus station, a port, an airport.
        Station = 9 => "station",
        /// A market or a shop.
        Market = 10 => "market",
    }
}

impl PlaceKind {
    /// Reports whether the unit itself applies for the code of such a place; operators add the others.
    pub const fn is_unit(self) -> bool {
        match self {
            Self::Workplace | Self::Compound | Self::Village | Self::Building | Self::Vehicle => true,
            Self::Checkpoint | Self::School | Self::Hospital | Self::Station | Self::Market => false,
        }
    }
}
