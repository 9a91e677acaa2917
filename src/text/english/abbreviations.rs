//! What is written short and said long.

use super::words::Word;

/// As written, without a point behind it; as said.
const ABBREVIATIONS: [(&str, &str); 49] = [
    ("e.g", "for example"),
    ("i.e", "that is"),
    ("etc", "et cetera"),
    ("vs", "versus"),
    ("approx", "approximately"),
    ("incl", "including"),
    ("excl", "excluding"),
    ("Mr", "Mister"),
    ("Mrs", "Misses"),
    ("Dr", "Doctor"),
    ("Prof", "Professor"),
    ("Ph.D", "P H D"),
    ("Mt", "Mount"),
    ("Jr", "Junior"),
    ("Sr", "Senior"),
    ("a.m", "A M"),
    ("p.m", "P M"),
    ("w/", "with"),
    ("w/o", "without"),
    ("b/c", "because"),
    ("msg", "message"),
    ("msgs", "messages"),
    ("WARN", "warning"),
    ("ERR", "error"),
    ("DBG", "debug"),
    ("INF", "info"),
    ("WRN", "warning"),
    ("&", "and"),
    ("<3", "heart"),
    ("@", "at"),
    ("№", "number"),
    ("§", "section"),
    ("©", "copyright"),
    ("€", "euros"),
    ("stdin", "standard input"),
    ("stdout", "standard output"),
    ("stderr", "standard error"),
    ("µ", "micro"),
    ("∞", "infinity"),
    ("C++", "C plus plus"),
    ("g++", "G plus plus"),
    ("C#", "C sharp"),
    ("F#", "F sharp"),
    ("y/N", "yes or no"),
    ("Y/n", "yes or no"),
    ("y/n", "yes or no"),
    ("ty", "thank you"),
    ("u", "you"),
    ("ur", "your"),
];

/// What is written short in a chat, where nobody minds the case.
const CHAT: [(&str, &str); 25] = [
    ("btw", "by the way"),
    ("idk", "I don't know"),
    ("imo", "in my opinion"),
    ("imho", "in my humble opinion"),
    ("afaik", "as far as I know"),
    ("tbh", "to be honest"),
    ("brb", "be right back"),
    ("omw", "on my way"),
    ("thx", "thanks"),
    ("pls", "please"),
    ("plz", "please"),
    ("ppl", "people"),
    ("omg", "oh my god"),
    ("nvm", "never mind"),
    ("ngl", "not gonna lie"),
    ("idc", "I don't care"),
    ("gtg", "got to go"),
    ("l8r", "later"),
    ("gr8", "great"),
    ("b4", "before"),
    ("wtf", "W T F"),
    ("afk", "A F K"),
    ("lmk", "let me know"),
    ("fyi", "F Y I"),
    ("asap", "as soon as possible"),
];

/// Names of settings whose value says it all.
const SILENT_KEYS: [&str; 5] = ["level", "lvl", "msg", "message", "severity"];

/// Keys of a keyboard.
const KEYS: [(&str, &str); 8] = [
    ("Ctrl", "Control"),
    ("Cmd", "Command"),
    ("Alt", "Alt"),
    ("Shift", "Shift"),
    ("Del", "Delete"),
    ("Esc", "Escape"),
    ("Super", "Super"),
    ("Win", "Windows"),
];

/// Short names that are said letter by letter although they are written small.
const INITIALISMS: [&str; 26] = [
    "id", "ids", "api", "usb", "ip", "url", "http", "https", "html", "css", "cpu", "gpu", "sql",
    "ssh", "tcp", "udp", "dns", "vm", "os", "ui", "pdf", "csv", "xml", "tls", "ssl", "tv",
];

/// What is written short only in front of a number, with a point.
const BEFORE_NUMBERS: [(&str, &str); 7] = [
    ("No", "Number"),
    ("p", "page"),
    ("pp", "pages"),
    ("vol", "volume"),
    ("Vol", "Volume"),
    ("fig", "figure"),
    ("Fig", "Figure"),
];

/// Words in capitals that are said letter by letter, although they could be read.
const SPELLED: [&str; 12] = [
    "UUID",
    "IEEE",
    "AARP",
    "EULA",
    "IETF",
    "OAUTH",
    "AJA",
    "OOMKILLED",
    "IIRC",
    "AFAICT",
    "UEFI",
    "IANA",
];

/// `No. 5` is "Number five".
pub fn before_number(word: &Word<'_>, after: &Word<'_>) -> Option<&'static str> {
    let is_marked = word.trail == "." && after.core.starts_with(|c: char| c.is_ascii_digit());
    BEFORE_NUMBERS.iter().find(|(short, _)| is_marked && *short == word.core).map(|(_, long)| *long)
}

/// Whether the point behind a word belongs to it.
pub fn is_with_point(word: &Word<'_>, next: Option<&Word<'_>>) -> bool {
    long(word.core).is_some() || next.is_some_and(|next| before_number(word, next).is_some())
}

/// The long form, in which nothing is short any more.
pub fn long(word: &str) -> Option<&'static str> {
    let is_it = |(short, _): &&(&'static str, &'static str)| *short == word;
    let exact = ABBREVIATIONS.iter().find(is_it);
    let in_chat = || CHAT.iter().find(|(short, _)| short.eq_ignore_ascii_case(word));
    exact.or_else(in_chat).map(|(_, long)| *long)
}

/// Whether the name of a setting is better left out: `level=info` is "info".
pub fn is_silent_key(name: &str) -> bool {
    SILENT_KEYS.contains(&name)
}

/// `Ctrl+C` is "Control C".
pub fn keys(word: &str) -> Option<String> {
    let mut parts = word.split('+');
    let named = |part: &str| KEYS.iter().find(|(short, _)| *short == part).map(|(_, long)| *long);
    let first = named(parts.next()?)?;
    let rest: Vec<_> = parts.map(|part| named(part).unwrap_or(part)).collect();
    Some([&[first], rest.as_slice()].concat().join(" ")).filter(|_| word.contains('+'))
}

/// A word as it is said where its letters do not make one: `ERROR` is "error", `id` "I D".
pub fn readable(word: &str) -> Option<String> {
    if INITIALISMS.contains(&word) {
        let (letters, plural) = match word.strip_suffix('s').filter(|it| INITIALISMS.contains(it)) {
            Some(one) => (one, "s"),
            None => (word, ""),
        };
        let letters: Vec<_> = letters.chars().map(|c| c.to_ascii_uppercase().to_string()).collect();
        return Some(letters.join(" ") + plural);
    }
    let can_be_read = word.len() >= 4
        && word.chars().all(|c| c.is_ascii_uppercase())
        && !SPELLED.contains(&word)
        && is_like_a_word(word);
    can_be_read.then(|| word.to_ascii_lowercase())
}

/// Whether an English mouth can say it: it begins and ends as words do, and has vowels in between.
fn is_like_a_word(word: &str) -> bool {
    const BEGINNINGS: &str = "BL BR CH CL CR DR FL FR GL GR KN PH PL PR QU SC SCR SH SK SL SM SN SP SPL SPR ST STR SW TH THR TR TW WH WR";
    const ENDINGS: &str = "CH CK CT FF FT GS GHT KS LD LF LK LL LP LT LTS MP MS NC NCH ND NDS NG NGS NK NS NT NTS PS PT RC RD RDS RK RL RM RN RP RS RT RTS SH SK SS ST STS TCH TH TS WN XT DS LS";
    let is_vowel = |c: char| "AEIOUY".contains(c);
    let is_listed = |list: &str, part: &str| part.len() < 2 || list.split(' ').any(|it| it == part);
    let (Some(first), Some(last)) = (word.find(is_vowel), word.rfind(is_vowel)) else {
        return false;
    };
    let (beginning, ending) = (word.get(..first), word.get(last + 1..));
    let has_run = word.as_bytes().windows(3).any(|run| run[0] == run[1] && run[1] == run[2]);
    let begins_doubled = word.as_bytes().first() == word.as_bytes().get(1);
    !has_run
        && !begins_doubled
        && !word.chars().all(is_vowel)
        && beginning.is_some_and(|it| is_listed(BEGINNINGS, it))
        && ending.is_some_and(|it| is_listed(ENDINGS, it))
}
