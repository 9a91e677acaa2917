use super::*;

const ENGLISH: Speaking<'_> = Speaking { voice: "rms", language: "en" };

fn spoken(text: &str, speaking: Speaking<'_>) -> Option<String> {
    let reading = Reading::default();
    prepare(text, reading, speaking, &Dictionary::default(), 250, |_, _| ()).words()
}

#[test]
fn silence_is_between_the_words_around_it() {
    let reading = Reading::default();
    let prepared = prepare(
        "One. Two [pause 1s] three",
        reading,
        ENGLISH,
        &Dictionary::default(),
        250,
        |_, _| (),
    );
    let words = |words: &str| Piece::Words(words.to_owned());
    let expected =
        [words("One."), words("Two"), Piece::Pause(Duration::from_secs(1)), words("three")];
    assert_eq!(prepared.pieces, expected);
    assert_eq!(prepared.words().unwrap(), "One. Two three");
}

#[test]
fn english_words_are_for_english_voices() {
    let german = Speaking { voice: "espeak:de", language: "de" };
    assert_eq!(spoken("5 km → https://example.com", german).unwrap(), "5 km → example.com");
    let american = Speaking { voice: "espeak:en-us+f3", language: "en-us+f3" };
    assert_eq!(spoken("5 km", american).unwrap(), "five kilometers");
}

#[test]
fn steps_can_be_left_out_and_are_told_of() {
    let reading = Reading::without(&[Step::English, Step::Controls], Emoji::Name);
    let mut steps = Vec::new();
    let dictionary = Dictionary::parse("[words]\ncat = 'feline'").unwrap();
    let prepared =
        prepare("a\u{0} cat 🐈 5", reading, ENGLISH, &dictionary, 250, |step, text| {
            steps.push((step, text.to_owned()));
        });
    assert_eq!(prepared.words().unwrap(), "a feline feline 5");
    let names: Vec<_> = steps.iter().map(|(step, _)| *step).collect();
    assert_eq!(names, [Step::Controls, Step::Emoji, Step::Dictionary]);
    assert_eq!(steps[0].1, "a cat 🐈 5");
}

#[test]
fn what_has_no_words_in_it_is_nothing() {
    for text in ["🎉", "...", "", "\u{fffd}\u{fffd}", "-----", "[pause]", "```rust", "\u{1b}[0m"]
    {
        assert_eq!(spoken(text, ENGLISH), None, "{text}");
    }
}
