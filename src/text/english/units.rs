//! The names of units, currencies and large numbers.

/// Sign, one of it, several of it. Where the sign stands at the number without a space, see [`of_glued`].
const UNITS: [(&str, &str, &str); 85] = [
    ("%", "percent", "percent"),
    ("‰", "per mille", "per mille"),
    ("°C", "degree Celsius", "degrees Celsius"),
    ("°F", "degree Fahrenheit", "degrees Fahrenheit"),
    ("°", "degree", "degrees"),
    ("K", "K", "K"),
    ("km", "kilometer", "kilometers"),
    ("m", "meter", "meters"),
    ("cm", "centimeter", "centimeters"),
    ("mm", "millimeter", "millimeters"),
    ("µm", "micrometer", "micrometers"),
    ("nm", "nanometer", "nanometers"),
    ("mi", "mile", "miles"),
    ("ft", "foot", "feet"),
    ("yd", "yard", "yards"),
    ("m2", "square meter", "square meters"),
    ("km2", "square kilometer", "square kilometers"),
    ("m3", "cubic meter", "cubic meters"),
    ("kg", "kilogram", "kilograms"),
    ("g", "gram", "grams"),
    ("mg", "milligram", "milligrams"),
    ("lb", "pound", "pounds"),
    ("lbs", "pound", "pounds"),
    ("oz", "ounce", "ounces"),
    ("l", "liter", "liters"),
    ("L", "liter", "liters"),
    ("ml", "milliliter", "milliliters"),
    ("d", "day", "days"),
    ("h", "hour", "hours"),
    ("hr", "hour", "hours"),
    ("hrs", "hour", "hours"),
    ("min", "minute", "minutes"),
    ("mins", "minute", "minutes"),
    ("s", "second", "seconds"),
    ("sec", "second", "seconds"),
    ("secs", "second", "seconds"),
    ("ms", "millisecond", "milliseconds"),
    ("µs", "microsecond", "microseconds"),
    ("us", "microsecond", "microseconds"),
    ("ns", "nanosecond", "nanoseconds"),
    ("Hz", "hertz", "hertz"),
    ("kHz", "kilohertz", "kilohertz"),
    ("MHz", "megahertz", "megahertz"),
    ("GHz", "gigahertz", "gigahertz"),
    ("B", "byte", "bytes"),
    ("bytes", "byte", "bytes"),
    ("kB", "kilobyte", "kilobytes"),
    ("KB", "kilobyte", "kilobytes"),
    ("MB", "megabyte", "megabytes"),
    ("GB", "gigabyte", "gigabytes"),
    ("TB", "terabyte", "terabytes"),
    ("KiB", "kibibyte", "kibibytes"),
    ("MiB", "mebibyte", "mebibytes"),
    ("GiB", "gibibyte", "gibibytes"),
    ("TiB", "tebibyte", "tebibytes"),
    ("kbit", "kilobit", "kilobits"),
    ("Mbit", "megabit", "megabits"),
    ("Gbit", "gigabit", "gigabits"),
    ("bps", "bit per second", "bits per second"),
    ("kbps", "kilobit per second", "kilobits per second"),
    ("Mbps", "megabit per second", "megabits per second"),
    ("Gbps", "gigabit per second", "gigabits per second"),
    ("V", "volt", "volts"),
    ("mV", "millivolt", "millivolts"),
    ("A", "ampere", "amperes"),
    ("mA", "milliampere", "milliamperes"),
    ("mAh", "milliampere hour", "milliampere hours"),
    ("W", "watt", "watts"),
    ("kW", "kilowatt", "kilowatts"),
    ("MW", "megawatt", "megawatts"),
    ("Wh", "watt hour", "watt hours"),
    ("kWh", "kilowatt hour", "kilowatt hours"),
    ("J", "joule", "joules"),
    ("kcal", "kilocalorie", "kilocalories"),
    ("hPa", "hectopascal", "hectopascals"),
    ("bar", "bar", "bar"),
    ("psi", "P S I", "P S I"),
    ("dB", "decibel", "decibels"),
    ("px", "pixel", "pixels"),
    ("fps", "frame per second", "frames per second"),
    ("mph", "mile per hour", "miles per hour"),
    ("kph", "kilometer per hour", "kilometers per hour"),
    ("rpm", "R P M", "R P M"),
    ("ppm", "part per million", "parts per million"),
    ("x", "time", "times"),
];

/// Signs of units that are words or letters of their own where a space stands in front of them.
const ONLY_GLUED: [&str; 6] = ["x", "us", "d", "K", "bar", "A"];

/// What stands behind the bar: per …
const PER: [(&str, &str); 8] = [
    ("s", "second"),
    ("sec", "second"),
    ("min", "minute"),
    ("h", "hour"),
    ("hr", "hour"),
    ("day", "day"),
    ("month", "month"),
    ("year", "year"),
];

/// Sign in front or behind, one, several, one hundredth, several.
const CURRENCIES: [(&str, [&str; 4]); 11] = [
    ("US$", ["US dollar", "US dollars", "cent", "cents"]),
    ("$", ["dollar", "dollars", "cent", "cents"]),
    ("€", ["euro", "euros", "cent", "cents"]),
    ("£", ["pound", "pounds", "penny", "pence"]),
    ("¥", ["yen", "yen", "sen", "sen"]),
    ("₹", ["rupee", "rupees", "paisa", "paise"]),
    ("USD", ["US dollar", "US dollars", "cent", "cents"]),
    ("EUR", ["euro", "euros", "cent", "cents"]),
    ("GBP", ["pound", "pounds", "penny", "pence"]),
    ("JPY", ["yen", "yen", "sen", "sen"]),
    ("CHF", ["Swiss franc", "Swiss francs", "centime", "centimes"]),
];

/// Signs of large numbers, which stand at the number without a space.
const MAGNITUDES: [(&str, &str); 7] = [
    ("k", "thousand"),
    ("M", "million"),
    ("m", "million"),
    ("mn", "million"),
    ("B", "billion"),
    ("bn", "billion"),
    ("T", "trillion"),
];

/// One and several of what a sign counts that stands a space behind the number.
pub fn of_word(sign: &str) -> Option<(String, String)> {
    if ONLY_GLUED.contains(&sign) { None } else { named(sign) }
}

/// One and several of what a sign counts that stands right at the number. A lone `m` is mostly minutes.
pub fn of_glued(sign: &str) -> Option<(String, String)> {
    match sign {
        "m" => Some(("minute".to_owned(), "minutes".to_owned())),
        "K" | "A" | "B" | "L" => None, // "4K" is no temperature, and "221B" a house
        _ => named(sign),
    }
}

fn named(sign: &str) -> Option<(String, String)> {
    let sign = sign.replace('\u{3bc}', "µ");
    let find = |sign: &str| UNITS.iter().find(|(it, ..)| *it == sign);
    if let Some((_, one, several)) = find(&sign) {
        return Some(((*one).to_owned(), (*several).to_owned()));
    }
    let (unit, per) = sign.split_once('/')?;
    let (_, per) = PER.iter().find(|(it, _)| *it == per)?;
    let (_, one, several) = find(unit).filter(|(it, ..)| *it != "x")?;
    Some((format!("{one} per {per}"), format!("{several} per {per}")))
}

/// Whether a word is the name of a unit: `meter`, `meters`.
pub fn is_name(word: &str) -> bool {
    UNITS.iter().any(|(_, one, several)| *one == word || *several == word)
}

/// The currency that a word begins with, and the rest of the word.
pub fn currency_before(word: &str) -> Option<(&'static [&'static str; 4], &str)> {
    CURRENCIES.iter().find_map(|(sign, names)| Some((names, word.strip_prefix(sign)?)))
}

/// The currency of that sign.
pub fn currency(sign: &str) -> Option<&'static [&'static str; 4]> {
    CURRENCIES.iter().find(|(it, _)| *it == sign).map(|(_, names)| names)
}

/// "million"
pub fn magnitude(sign: &str) -> Option<&'static str> {
    MAGNITUDES.iter().find(|(it, _)| *it == sign).map(|(_, name)| *name)
}

/// Whether a word is the name of a large number.
pub fn is_magnitude(word: &str) -> bool {
    ["thousand", "million", "billion", "trillion"].contains(&word)
}
