//! Numbers as words.

use num2words::Num2Words;

/// Longer numbers without separators are no quantities: their last digits tell them apart.
const MAX_QUANTITY_DIGITS: usize = 12;

/// How many of those are said.
const N_LAST: usize = 4;

/// Smaller numbers need no help.
const MAX_SMALL: u64 = 1_000_000_000_000;

/// A number as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number<'a> {
    sign: Option<char>,
    /// Without separators.
    whole: String,
    fraction: Option<&'a str>,
    has_separators: bool,
}

impl<'a> Number<'a> {
    /// The number that a word begins with, and the rest of it: `1,234.5km` is 1234.5 and `km`.
    pub fn at_start_of(word: &'a str) -> Option<(Self, &'a str)> {
        let (sign, mut rest) = match word.chars().next()? {
            sign @ ('+' | '-') => (Some(sign), word.get(1..)?),
            _ => (None, word),
        };
        let first = n_digits(rest);
        let begins_with_point =
            first == 0 && rest.strip_prefix('.').is_some_and(|it| n_digits(it) > 0);
        let whole = rest.get(..first).filter(|digits| !digits.is_empty());
        let mut whole = whole.or(begins_with_point.then_some("0"))?.to_owned();
        rest = rest.get(first..)?;
        let mut has_separators = false;
        while let Some(group) = group_of(rest).filter(|_| has_separators || whole.len() <= 3) {
            whole.push_str(group);
            rest = rest.get(4..)?;
            has_separators = true;
        }
        let fraction = rest.strip_prefix('.').and_then(|after| after.get(..n_digits(after)));
        let fraction = fraction.filter(|digits| !digits.is_empty());
        if let Some(digits) = fraction {
            rest = rest.get(1 + digits.len()..)?;
        }
        // Another point makes it a version, an address or a date.
        let is_more = rest.strip_prefix('.').is_some_and(|after| n_digits(after) > 0);
        (!is_more).then_some((Self { sign, whole, fraction, has_separators }, rest))
    }

    /// A word that is nothing but a number.
    pub fn of(word: &'a str) -> Option<Self> {
        Self::at_start_of(word).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
    }

    /// Whether what is counted stands in the singular.
    pub fn is_one(&self) -> bool {
        self.whole == "1" && self.fraction.is_none()
    }

    /// Its digits before the point, if that is all there is.
    pub fn plain_digits(&self) -> Option<&str> {
        let is_plain = self.sign.is_none() && self.fraction.is_none() && !self.has_separators;
        is_plain.then_some(&self.whole)
    }

    /// The digits before and behind the point.
    pub fn parts(&self) -> (&str, Option<&'a str>) {
        (&self.whole, self.fraction)
    }

    /// Whether it has a sign in front.
    pub fn is_signed(&self) -> bool {
        self.sign.is_some()
    }

    /// In words.
    pub fn words(&self) -> String {
        let sign = match self.sign {
            Some('-') => "minus ",
            Some(_) => "plus ",
            None => "",
        };
        let whole = if self.fraction.is_none() && !self.has_separators {
            quantity(&self.whole)
        } else {
            cardinal(&self.whole)
        };
        match self.fraction {
            Some(fraction) => format!("{sign}{whole} point {}", digits(fraction)),
            None => format!("{sign}{whole}"),
        }
    }
}

/// Three digits behind a separator, and no fourth.
fn group_of(text: &str) -> Option<&str> {
    let after = text.strip_prefix([',', '_', '\''])?;
    (n_digits(after) == 3).then(|| after.get(..3)).flatten()
}

fn n_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Digits as a quantity, or what is better told digit by digit.
pub fn quantity(whole: &str) -> String {
    if whole.len() > MAX_QUANTITY_DIGITS {
        let last = whole.get(whole.len() - N_LAST..).unwrap_or(whole);
        return format!("number ending in {}", digits(last));
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return digits(whole);
    }
    cardinal(whole)
}

/// "twelve"
pub fn cardinal(whole: &str) -> String {
    match whole.parse::<u64>() {
        Ok(number) if number < MAX_SMALL => small_cardinal(number),
        Ok(number) if whole.len() <= 15 => {
            Num2Words::new(number).to_words().unwrap_or_else(|_| digits(whole))
        }
        Ok(_) | Err(_) => digits(whole),
    }
}

/// What `num2words` says of a number below a million million, without its big floats: they are most of what a long row
/// of numbers would cost.
fn small_cardinal(number: u64) -> String {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 10] =
        ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    const GROUPS: [(u64, &str); 4] =
        [(1_000_000_000, "billion"), (1_000_000, "million"), (1_000, "thousand"), (1, "")];
    if number == 0 {
        return UNITS[0].to_owned();
    }
    let (mut said, mut has_rest) = (Vec::new(), false);
    for (size, name) in GROUPS {
        let group = usize::try_from(number / size % 1_000).unwrap_or_default();
        let (hundreds, rest) = (group / 100, group % 100);
        if hundreds > 0 {
            said.extend([UNITS[hundreds], " hundred "]);
        }
        if rest > 0 && size == 1 && has_rest {
            said.push("and ");
        }
        match (rest / 10, rest % 10) {
            (0, 0) => {}
            (0 | 1, _) => said.extend([UNITS[rest], " "]),
            (tens, 0) => said.extend([TENS[tens], " "]),
            (tens, units) => said.extend([TENS[tens], "-", UNITS[units], " "]),
        }
        has_rest |= rest > 0;
        if group > 0 {
            said.extend([name, " "]);
        }
    }
    said.concat().trim_end().to_owned()
}

/// "twelfth"
pub fn ordinal(number: u64) -> String {
    const IRREGULAR: [(&str, &str); 7] = [
        ("one", "first"),
        ("two", "second"),
        ("three", "third"),
        ("five", "fifth"),
        ("eight", "eighth"),
        ("nine", "ninth"),
        ("twelve", "twelfth"),
    ];
    let said = cardinal(&number.to_string());
    let (before, last) = said.split_at(said.rfind([' ', '-']).map_or(0, |idx| idx + 1));
    let irregular = IRREGULAR.iter().find(|(it, _)| *it == last);
    match (irregular, last.strip_suffix('y')) {
        (Some((_, ordinal)), _) => format!("{before}{ordinal}"),
        (None, Some(stem)) => format!("{before}{stem}ieth"),
        (None, None) => format!("{said}th"),
    }
}

/// "nineteen eighty-four", "two thousand and five"
pub fn year(number: u64) -> String {
    let (century, rest) = (number / 100, number % 100);
    if !(1..100).contains(&century) || (century % 10 == 0 && rest < 10) {
        return cardinal(&number.to_string());
    }
    format!("{} {}", cardinal(&century.to_string()), pair(&format!("{rest:02}")))
}

/// "one two three"
pub fn digits(text: &str) -> String {
    const NAMES: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let names = text.bytes().filter(u8::is_ascii_digit).map(|byte| NAMES[usize::from(byte - b'0')]);
    names.collect::<Vec<_>>().join(" ")
}

/// Two digits as a clock or a port says them: "oh five", "ten", "hundred" for none.
pub fn pair(text: &str) -> String {
    match text {
        "00" => "hundred".to_owned(),
        _ if text.starts_with('0') => format!("oh {}", digits(text.get(1..).unwrap_or_default())),
        _ => cardinal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_told_as_large_ones_are() {
        let by_length = (0..12).flat_map(|n_digits| {
            let size = 10_u64.pow(n_digits);
            [size, size + 1, 3 * size + 17, 7 * size + 140, 11 * size / 7, 12 * size - 1]
        });
        for number in (0..3_000).chain(by_length).filter(|number| *number < MAX_SMALL) {
            let words = |it: Num2Words| it.to_words().unwrap();
            assert_eq!(small_cardinal(number), words(Num2Words::new(number)));
            assert_eq!(ordinal(number), words(Num2Words::new(number).ordinal()));
            let its_year = words(Num2Words::new(number).year()).replace("oh-", "oh ");
            assert_eq!(year(number), its_year);
        }
    }

    #[test]
    fn numbers_are_told_in_words() {
        for (text, expected) in [
            ("0", "zero"),
            ("42", "forty-two"),
            (
                "1,234,567",
                "one million two hundred thirty-four thousand five hundred and sixty-seven",
            ),
            ("3.14", "three point one four"),
            ("-5", "minus five"),
            ("007", "zero zero seven"),
            ("1234567890123456", "number ending in three four five six"),
            ("1_000", "one thousand"),
        ] {
            assert_eq!(Number::of(text).unwrap().words(), expected, "{text}");
        }
        for text in ["", "x", "1.2.3", "-", "1,23", "5km"] {
            assert_eq!(Number::of(text), None, "{text}");
        }
        assert_eq!(Number::at_start_of("1,234.5km").unwrap().1, "km");
    }
}
