//! Roman numerals, where the word in front of one tells that it is no name and no pronoun.

use super::numbers::{cardinal, ordinal};
use super::words::{Said, Word};

/// What is numbered, be it one or several; behind these `I` may be one.
const PARTS: [&str; 20] = [
    "Part", "Parts", "Chapter", "Chapters", "Act", "Acts", "Book", "Books", "Volume", "Volumes",
    "War", "Wars", "Phase", "Phases", "Type", "Types", "Class", "Classes", "Section", "Sections",
];

/// What else is numbered.
const OTHERS: [&str; 28] = [
    "Amendment",
    "Apollo",
    "Appendix",
    "Article",
    "Auto",
    "Bowl",
    "Category",
    "Civilization",
    "Diablo",
    "Episode",
    "Fantasy",
    "GTA",
    "Grade",
    "Kombat",
    "Level",
    "Mark",
    "Olympiad",
    "Quest",
    "Rambo",
    "Rocky",
    "Saturn",
    "Scene",
    "Schedule",
    "Stage",
    "Tier",
    "Title",
    "Vatican",
    "WrestleMania",
];

/// What has kinds that are named by letters as well: "Type X" is no tenth one.
const KINDS: [&str; 9] =
    ["Type", "Types", "Class", "Classes", "Category", "Grade", "Level", "Stage", "Tier"];

/// Kings, queens and popes.
const RULERS: [&str; 58] = [
    "Albert",
    "Alexander",
    "Alfonso",
    "Amenhotep",
    "Baldwin",
    "Benedict",
    "Boniface",
    "Carl",
    "Carlos",
    "Catherine",
    "Charles",
    "Christian",
    "Clement",
    "Constantine",
    "Darius",
    "Edward",
    "Elizabeth",
    "Felipe",
    "Ferdinand",
    "Francis",
    "Franz",
    "Frederick",
    "George",
    "Gregory",
    "Gustav",
    "Haakon",
    "Harald",
    "Henry",
    "Innocent",
    "Isabella",
    "Ivan",
    "James",
    "John",
    "Joseph",
    "Juan",
    "Julius",
    "Leo",
    "Leopold",
    "Louis",
    "Margrethe",
    "Mary",
    "Maximilian",
    "Mehmed",
    "Napoleon",
    "Nicholas",
    "Otto",
    "Paul",
    "Pedro",
    "Peter",
    "Philip",
    "Pius",
    "Ptolemy",
    "Ramesses",
    "Richard",
    "Rudolf",
    "Umberto",
    "Wilhelm",
    "William",
];

/// Of these there were ten; any other `X` is a secret.
const TENTH: [&str; 7] = ["Alfonso", "Charles", "Christian", "Gregory", "Leo", "Louis", "Pius"];

/// Behind the pronoun, not behind a number.
const BEHIND_PRONOUN: [&str; 51] = [
    "also",
    "always",
    "am",
    "believe",
    "bought",
    "can",
    "could",
    "did",
    "do",
    "enjoy",
    "enjoyed",
    "forgot",
    "found",
    "got",
    "had",
    "hate",
    "have",
    "just",
    "knew",
    "know",
    "liked",
    "like",
    "love",
    "loved",
    "made",
    "mean",
    "may",
    "mentioned",
    "might",
    "must",
    "need",
    "never",
    "played",
    "read",
    "really",
    "remember",
    "saw",
    "shall",
    "should",
    "take",
    "think",
    "thought",
    "teach",
    "took",
    "use",
    "used",
    "want",
    "will",
    "would",
    "went",
    "wrote",
];

/// What the next word says as a Roman numeral; `before` are some of the words in front of it.
pub fn say(before: &[Word<'_>], words: &[Word<'_>]) -> Said {
    let word = words.first()?;
    let owner = word.core.strip_suffix("'s").or_else(|| word.core.strip_suffix("’s"));
    let numeral = owner.unwrap_or(word.core);
    let number = value(numeral)?;
    let next = words.get(1);
    let said = if is_part(before, numeral, next.filter(|_| word.goes_on())) {
        cardinal(&number.to_string())
    } else if is_ruler(before.last()?, numeral) && !is_initial(word, next) {
        format!("the {}", ordinal(number))
    } else {
        return None;
    };
    Some((1, if owner.is_some() { format!("{said}'s") } else { said }))
}

/// What a numeral below ninety is worth. `C`, `D` and `M` are more often letters than numbers: CD, MD, DC.
fn value(numeral: &str) -> Option<u64> {
    const TENS: [&str; 9] = ["", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX"];
    const UNITS: [&str; 10] = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"];
    let n_tens = numeral.bytes().take_while(|byte| b"XL".contains(byte)).count();
    // The X of IX belongs to the units.
    let (tens, units) = numeral.split_at_checked(n_tens)?;
    let tens = TENS.iter().position(|it| *it == tens)?;
    let units = UNITS.iter().position(|it| *it == units)?;
    Some((tens * 10 + units) as u64).filter(|number| *number > 0)
}

/// `Chapter IV`, `Parts I and II`.
fn is_part(before: &[Word<'_>], numeral: &str, next: Option<&Word<'_>>) -> bool {
    let Some(mut head) = before.last().filter(|it| it.goes_on()) else { return false };
    if let [.., several, first, joint] = before
        && ["and", "or", "to", "&"].contains(&joint.core)
        && value(first.core).is_some()
    {
        head = several;
    }
    let is_one_of = |list: &[&str]| list.contains(&head.core);
    let is_pronoun = next.is_some_and(|next| BEHIND_PRONOUN.contains(&next.core));
    match numeral {
        "I" => is_one_of(&PARTS) && !is_pronoun,
        "L" => false,
        "V" => is_one_of(&PARTS) || is_one_of(&OTHERS),
        // "Type XL" is a size.
        _ if numeral.contains(['X', 'L']) && is_one_of(&KINDS) => false,
        "X" => is_one_of(&PARTS) || is_one_of(&OTHERS),
        _ => PARTS.iter().chain(&OTHERS).any(|name| name.eq_ignore_ascii_case(head.core)),
    }
}

/// `Henry VIII`.
fn is_ruler(name: &Word<'_>, numeral: &str) -> bool {
    match numeral {
        "I" | "L" => false,
        "X" => name.goes_on() && TENTH.contains(&name.core),
        _ => name.goes_on() && RULERS.contains(&name.core),
    }
}

/// `James V. Smith` is no king.
fn is_initial(word: &Word<'_>, next: Option<&Word<'_>>) -> bool {
    let is_name = |next: &Word<'_>| next.core.starts_with(|c: char| c.is_uppercase());
    word.core.len() == 1 && word.trail == "." && next.is_some_and(is_name)
}
