//! The text of `/metrics`, read back: for whoever asks a running gateway how it stands. What a metric means is known elsewhere.

/// One series as it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Series<'a> {
    /// Name and labels as written; the same in every reading of one process.
    pub(crate) key: &'a str,
    pub(crate) name: &'a str,
    pub(crate) value: f64,
}

impl<'a> Series<'a> {
    /// Names and values of the labels. The labels of our metrics hold no quotes.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut parts = self.key[self.name.len()..].split('"');
        std::iter::from_fn(move || {
            let name = parts.next()?.trim_matches(['{', ',', '=']);
            Some((name, parts.next()?))
        })
    }

    /// The value of that label.
    pub(crate) fn label(&self, wanted: &str) -> Option<&'a str> {
        self.labels().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }
}

/// Every series.
pub(crate) fn read(text: &str) -> impl Iterator<Item = Series<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (key, value) = line.rsplit_once(' ')?;
        let name = key.split('{').next()?;
        Some(Series { key, name, value: value.parse().ok()? })
    })
}

/// The series of one metric.
pub(crate) fn of<'a>(text: &'a str, name: &str) -> impl Iterator<Item = Series<'a>> {
    read(text).filter(move |series| series.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_a_name_labels_and_a_value() {
        let text = "# HELP a_total What.\n# TYPE a_total counter\na_total{region=\"6\",colour=\"red\"} 12\n\nb 0.5\n\
                    c_bucket{le=\"+Inf\"} 3\nnothing\nd NaN-ish x\n";
        let read: Vec<_> = read(text).collect();
        assert_eq!(read.iter().map(|series| series.name).collect::<Vec<_>>(), ["a_total", "b", "c_bucket"]);
        assert_eq!(read[0].labels().collect::<Vec<_>>(), [("region", "6"), ("colour", "red")]);
        assert_eq!((read[0].label("colour"), read[0].label("le")), (Some("red"), None));
        assert_eq!((read[1].value, read[1].key, read[1].labels().count()), (0.5, "b", 0));
        assert_eq!(read[2].label("le"), Some("+Inf"));
        assert_eq!(of(text, "a").count(), 0, "a name is the whole name");
    }
}
