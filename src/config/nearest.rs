//! Which known name a mistyped one may have meant.

/// The name of `known` that is nearest to `given`, ignoring case: a third of its letters may be wrong.
/// `None` if nothing is that near.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NAME_CHARS_MAX: usize = 64;
    let fold = |name: &str| name.chars().map(|c| c.to_ascii_lowercase()).collect::<Vec<char>>();
    let given = fold(given);
    if given.len() > NAME_CHARS_MAX {
        return None;
    }
    known
        .into_iter()
        .map(|name| (distance(&given, &fold(name)), name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters have to be put in, taken out, changed or swapped with their neighbour.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut above_previous = vec![0; other.len() + 1];
    let mut previous: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut best = (previous[j] + usize::from(a != b)).min(previous[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                best = best.min(above_previous[j - 1] + 1);
            }
            row.push(best);
        }
        above_previous = std::mem::replace(&mut previous, row);
    }
    previous[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["--config", "--depth", "--output", "--help", "MaximumThreads", "MaxQueueSize", "Port"];
        let cases = [
            ("--confg", Some("--config")),
            ("--ocnfig", Some("--config")),
            ("--DEPHT", Some("--depth")),
            ("MaxThreads", Some("MaximumThreads")),
            ("MaxQueSize", Some("MaxQueueSize")),
            ("port", Some("Port")),
            ("--frobnicate", None),
            ("", None),
        ];
        for (given, expected) in cases {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
    }
}
