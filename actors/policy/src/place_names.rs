//! The Chinese names of areas, from the tables of divisions. A country is named by its ISO code, as in carriers' answers.

use crate::trajectory::{Area, Country, Division};

const CITIES: &str = include_str!("../../data/cities.csv");
const PROVINCES: &str = include_str!("../../data/provinces.csv");

/// Returns the area's name; its code if the tables do not contain it.
pub fn name_zh(area: Area) -> String {
    match area {
        Area::Country(country) => format!("境外（{country}）"),
        Area::City(division) => {
            let code = division.to_string();
            match (find(CITIES, &code), code.get(..2).and_then(|province| find(PROVINCES, province))) {
                // The tables list municipalities as districts or counties of their province.
                (Some("市辖区" | "县") | None, Some(province)) => province.to_owned(),
                (Some(city), _) => city.to_owned(),
                (None, None) => code,
            }
        }
    }
}

/// Returns the name of an area in its wire form; the text itself if it is none.
pub fn name_zh_of(text: &str) -> String {
    let city = Division::parse(text).map(Area::City);
    let area = city.or_else(|| Country::parse(text).map(Area::Country));
    area.map_or_else(|| text.to_owned(), name_zh)
}

fn find<'a>(table: &'a str, code: &str) -> Option<&'a str> {
    let row = table.lines().find_map(|line| line.strip_prefix(code)?.strip_prefix(','))?;
    Some(row.split(',').next()?.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cities_municipalities_and_countries_have_names() {
        let city = |code| name_zh(Area::City(Division::parse(code).unwrap()));
        for (code, name) in
            [("4201", "武汉市"), ("3601", "南昌市"), ("1101", "北京市"), ("5002", "重庆市"), ("42", "湖北省")]
        {
            assert_eq!(city(code), name, "{code}");
        }
        assert_eq!((name_zh_of("4201"), name_zh_of("JP")), ("武汉市".to_owned(), "境外（JP）".to_owned()));
        assert_eq!(name_zh(Area::Country(Country::parse("IT").unwrap())), "境外（IT）");
    }
}
