//! Random policies: the advice of every accepted one keeps the rules.

use std::path::Path;

use protocol::Basis;

use super::*;

/// Checks that a policy with any exceptions either keeps the rules or is refused.
#[test]
fn no_policy_that_is_taken_treats_declared_worse_or_lets_red_pass() {
    use protocol::Advice;
    let mut random = fastrand::Rng::with_seed(20_200_224);
    let mut pick = |texts: &[&str]| texts[random.usize(..texts.len())].to_owned();
    let mut taken = 0;
    for round in 0..4_000 {
        let mut text = DEVELOPMENT.to_owned();
        for _ in 0..1 + round % 4 {
            text += "[[advice.exception]]\n";
            text += &pick(&["", "regions = [2]\n", "regions = [2, 5]\n"]);
            text += &pick(&["", "places = [\"school\"]\n", "places = [\"school\", \"vehicle\"]\n"]);
            text += &format!("colour = \"{}\"\n", pick(&["green", "yellow", "red", "unknown"]));
            text += &pick(&["", "basis = \"verified\"\n", "basis = \"declared\"\n"]);
            text += &format!("advice = \"{}\"\n", pick(&["pass", "check-document", "ask-staff", "stop"]));
        }
        let Ok(policy) = Policy::parse(&text, Path::new("policy.toml")) else { continue };
        taken += 1;
        for region in [1, 2, 3, 5].map(RegionId) {
            for &kind in PlaceKind::ALL {
                let here = policy.advice(region, kind);
                for &colour in Colour::ALL {
                    let (declared, verified) =
                        (here.of(colour, Basis::Declared), here.of(colour, Basis::Verified));
                    assert!(strictness(declared) <= strictness(verified), "{text}");
                }
                for &basis in Basis::ALL {
                    assert_ne!(here.of(Colour::Red, basis), Advice::Pass, "{text}");
                    assert_ne!(here.of(Colour::Green, basis), Advice::Stop, "{text}");
                    let unknown = here.of(Colour::Unknown, basis);
                    assert!(matches!(unknown, Advice::CheckDocument | Advice::AskStaff), "{text}");
                }
            }
        }
    }
    assert!(taken > 300, "{taken} of the policies were valid");
}
