//! Fields with one word of a few: in English as the program names them, in Chinese as the pages name them and people write them, in any
//! case and width. The columns that hold them are their forms'. Pure.

use policy::CauseKind;
use protocol::{Basis, Colour, DeviceClass, typed_text};
use registry::DocumentKind;

/// The words for kinds of documents.
macro_rules! document_kinds {
    () => {
        "id-card 身份证, hk-macau-permit 港澳居民来往内地通行证, taiwan-permit 台湾居民来往大陆通行证, passport 护照 or foreign-pr-card 外国人永久居留身份证"
    };
}

/// The words for kinds of documents, for the templates.
pub(crate) const DOCUMENT_KINDS: &str = document_kinds!();
/// The words for kinds of documents, where the field may be empty.
pub const DOCUMENT_KINDS_OR_EMPTY: &str = concat!(document_kinds!(), "; id-card if empty");
/// The words for colours.
pub(crate) const COLOURS: &str = "green 绿, yellow 黄, red 红 or unknown 未知";
/// The words for the basis of a colour.
pub(crate) const BASES: &str = "verified 已核验 or declared 本人申报, which the holder can end by a No; nothing 无, or empty, for unknown";
/// The words for causes that operators set.
pub const CAUSES: &str = "close-contact 密切接触者, diagnosis 确诊 or quarantine 隔离";
/// The words for classes of devices.
pub const CLASSES: &str = "gate 闸机, handheld 手持终端, concentrator 集中器 or portal 门户";

const DOCUMENT_KIND: &[(DocumentKind, &[&str])] = &[
    (DocumentKind::IdCard, &["身份证", "居民身份证"]),
    (DocumentKind::HkMacauPermit, &["港澳居民来往内地通行证", "港澳通行证", "回乡证", "港澳居民居住证"]),
    (DocumentKind::TaiwanPermit, &["台湾居民来往大陆通行证", "台胞证", "台湾居民居住证"]),
    (DocumentKind::Passport, &["护照"]),
    (DocumentKind::ForeignPrCard, &["外国人永久居留身份证", "外国人永久居留证"]),
];
const COLOUR: &[(Colour, &[&str])] = &[
    (Colour::Green, &["绿", "绿码", "绿色"]),
    (Colour::Yellow, &["黄", "黄码", "黄色"]),
    (Colour::Red, &["红", "红码", "红色"]),
    (Colour::Unknown, &["未知"]),
];
const BASIS: &[(Basis, &[&str])] = &[
    (Basis::Verified, &["已核验", "核验"]),
    (Basis::Declared, &["本人申报", "申报", "自行申报"]),
    (Basis::Nothing, &["无", "暂无", ""]),
];
const CAUSE: &[(CauseKind, &[&str])] = &[
    (CauseKind::CloseContact, &["密切接触者", "密切接触", "密接"]),
    (CauseKind::Diagnosis, &["确诊", "确诊或疑似", "疑似"]),
    (CauseKind::Quarantine, &["隔离", "隔离观察"]),
];
const CLASS: &[(DeviceClass, &[&str])] = &[
    (DeviceClass::Gate, &["闸机"]),
    (DeviceClass::Handheld, &["手持终端", "手持机"]),
    (DeviceClass::Concentrator, &["集中器"]),
    (DeviceClass::Portal, &["门户"]),
];

/// Reads a kind of document.
pub fn document_kind(field: &str) -> Option<DocumentKind> {
    read(field, DOCUMENT_KIND, DocumentKind::from_name)
}

/// Reads a colour.
pub fn colour(field: &str) -> Option<Colour> {
    read(field, COLOUR, Colour::from_name)
}

/// Reads the basis of a colour.
pub fn basis(field: &str) -> Option<Basis> {
    read(field, BASIS, Basis::from_name)
}

/// Reads a cause.
pub fn cause(field: &str) -> Option<CauseKind> {
    read(field, CAUSE, CauseKind::from_name)
}

/// Reads a device's class.
pub fn class(field: &str) -> Option<DeviceClass> {
    read(field, CLASS, DeviceClass::from_name)
}

fn read<T: Copy>(field: &str, chinese: &[(T, &[&str])], english: fn(&str) -> Option<T>) -> Option<T> {
    let word = typed_text::name(field).to_ascii_lowercase();
    let known = chinese.iter().find(|(_, words)| words.contains(&&word[..]));
    english(&word).or(known.map(|(value, _)| *value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks each word of a column as it may be written, and the words of its explanation.
    fn check<T: Copy + PartialEq + std::fmt::Debug>(
        read: fn(&str) -> Option<T>,
        chinese: &[(T, &[&str])],
        (all, name): (&[T], fn(T) -> &'static str),
        explained: &str,
    ) {
        for &value in all {
            let english = name(value);
            let wide: String = english
                .chars()
                .map(|letter| match letter {
                    'a'..='z' => char::from_u32(u32::from(letter) - 0x21 + 0xff01).expect("a letter"),
                    other => other,
                })
                .collect();
            for word in [
                english,
                &english.to_uppercase(),
                &format!(" {}{}", english[..1].to_uppercase(), &english[1..]),
                &wide,
            ] {
                assert_eq!(read(word), Some(value), "{word}");
            }
            let (_, words) = chinese.iter().find(|(known, _)| *known == value).expect("a word in Chinese");
            for word in *words {
                assert_eq!(read(word), Some(value), "{word}");
            }
            assert!(explained.contains(&format!("{english} {}", words[0])), "{english}: {explained}");
        }
        for word in ["library-card", "蓝", "id_card!"] {
            assert_eq!(read(word), None, "{word}");
        }
    }

    #[test]
    fn each_value_reads_in_both_languages_in_any_case_and_the_template_names_it() {
        check(document_kind, DOCUMENT_KIND, (&DocumentKind::ALL, DocumentKind::name), DOCUMENT_KINDS);
        check(colour, COLOUR, (Colour::ALL, Colour::name), COLOURS);
        check(basis, BASIS, (Basis::ALL, Basis::name), BASES);
        let by_hand: Vec<_> = CauseKind::ALL.iter().copied().filter(|kind| kind.is_manual()).collect();
        check(cause, CAUSE, (&by_hand, CauseKind::name), CAUSES);
        check(class, CLASS, (DeviceClass::ALL, DeviceClass::name), CLASSES);
    }
}
