//! The text of OpenMetrics, read by the rules of the format.

use std::collections::{BTreeMap, HashMap};

/// The samples of a text, by name and labels as they are written; the rules are checked.
pub(crate) fn read(text: &str) -> BTreeMap<String, f64> {
    let text = text.strip_suffix("# EOF\n").expect("it has an end");
    let mut kinds = HashMap::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<_> = comment.splitn(3, ' ').collect();
            let [word, name, what] = words[..] else {
                panic!("{line}")
            };
            if word == "TYPE" {
                assert_eq!(kinds.insert(name, what), None, "{name} is there twice");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect(line);
        let name = series.split('{').next().unwrap();
        let family = ["_total", "_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .find(|family| kinds.contains_key(family))
            .unwrap_or(name);
        match (kinds[family], name.strip_prefix(family).unwrap()) {
            ("counter", "_total") | ("gauge", "") => {}
            ("histogram", "_bucket" | "_sum" | "_count") => {}
            wrong => panic!("{line}: {wrong:?}"),
        }
        assert!(name.starts_with("spinney_"), "{line}");
        let value: f64 = value.parse().expect(line);
        assert!(value >= 0.0, "{line}");
        assert_eq!(
            samples.insert(series.to_owned(), value),
            None,
            "{series} is there twice"
        );
    }
    samples
}
