//! The kinds of places, by which the policy advises.

/// The kind of place, and of unit that has applied for a code of its own. The number is what the registry keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum PlaceKind {
    /// A checkpoint of the city: what a place is unless it was said otherwise.
    Checkpoint = 1,
    /// The place where people work.
    Workplace = 2,
    /// A residential compound.
    Compound = 3,
    /// A village.
    Village = 4,
    /// A building.
    Building = 5,
    /// A bus, a taxi, a train.
    Vehicle = 6,
    /// A school.
    School = 7,
    /// A hospital.
    Hospital = 8,
    /// A railway or bus station, a port, an airport.
    Station = 9,
    /// A market or a shop.
    Market = 10,
}

impl PlaceKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: &[Self] = &[
        Self::Checkpoint,
        Self::Workplace,
        Self::Compound,
        Self::Village,
        Self::Building,
        Self::Vehicle,
        Self::School,
        Self::Hospital,
        Self::Station,
        Self::Market,
    ];

    /// Says whether those who run such a place apply for its code; all others an operator adds.
    pub const fn is_unit(self) -> bool {
        match self {
            Self::Workplace | Self::Compound | Self::Village | Self::Building | Self::Vehicle => true,
            Self::Checkpoint | Self::School | Self::Hospital | Self::Station | Self::Market => false,
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind with that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }

    /// Its name in files and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Workplace => "workplace",
            Self::Compound => "compound",
            Self::Village => "village",
            Self::Building => "building",
            Self::Vehicle => "vehicle",
            Self::School => "school",
            Self::Hospital => "hospital",
            Self::Station => "station",
            Self::Market => "market",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}
